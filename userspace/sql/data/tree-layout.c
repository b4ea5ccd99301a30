// Run by tree-layout.sh: the library's own list of fields (pg_query_outfuncs_defs.c), with offsets instead of values.
#include "pg_query_outfuncs.h"
#include "postgres.h"
#include "access/relation.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "nodes/value.h"
#include "utils/datum.h"
#include "miscadmin.h"
#undef printf
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#define OUT_TYPE(typename, typename_c) int
#define AT(f) ((unsigned long) ((char *) &node->f - (char *) node))
#define SIZED(size, f) do { if (sizeof(node->f) != (size)) abort(); } while (0)
#define F(size, kind, f, json) do { SIZED(size, f); printf(" " #json " %lu " kind "\n", AT(f)); } while (0)
#define N(kind, f, json) printf(" " #json " %lu " kind "%d\n", AT(f), 8 * (int) sizeof(node->f))
#define WRITE_INT_FIELD(m, o, j, f) N("int", f, j);
#define WRITE_UINT_FIELD(m, o, j, f) N("uint", f, j);
#define WRITE_UINT64_FIELD(m, o, j, f) N("uint", f, j);
#define WRITE_LONG_FIELD(m, o, j, f) N("int", f, j);
#define WRITE_CHAR_FIELD(m, o, j, f) F(1, "char", f, j);
#define WRITE_ENUM_FIELD(m, t, o, j, f) F(4, "enum " #t, f, j);
#define WRITE_FLOAT_FIELD(m, o, j, f)
#define WRITE_BOOL_FIELD(m, o, j, f) F(1, "bool", f, j);
#define WRITE_STRING_FIELD(m, o, j, f) F(8, "text", f, j);
#define WRITE_LIST_FIELD(m, o, j, f) F(8, "list", f, j);
#define WRITE_NODE_FIELD(m, o, j, f) F(8, "inner", f, j);
#define WRITE_NODE_PTR_FIELD(m, o, j, f) F(8, "node", f, j);
#define WRITE_SPECIFIC_NODE_FIELD(m, t, u, o, j, f) F(sizeof(node->f), "struct " #t, f, j);
#define WRITE_SPECIFIC_NODE_PTR_FIELD(m, t, u, o, j, f) F(8, "pointer " #t, f, j);
#define WRITE_BITMAPSET_FIELD(m, o, j, f)
static char room[65536];
static void _outList(int o, const List *node) { printf(" items 0 cells\n"); }
static void _outIntList(int o, const List *node) { printf(" items 0 numbers\n"); }
static void _outOidList(int o, const List *node) { printf(" items 0 numbers\n"); }
static void _outInteger(int o, const Integer *node) { N("int", ival, ival); }
static void _outBoolean(int o, const Boolean *node) { F(1, "bool", boolval, boolval); }
static void _outFloat(int o, const Float *node) { F(8, "text", fval, fval); }
static void _outString(int o, const String *node) { F(8, "text", sval, sval); }
static void _outBitString(int o, const BitString *node) { F(8, "text", bsval, bsval); }
static void _outAConst(int o, const A_Const *node) { F(1, "bool", isnull, isnull); F(16, "constant", val, val); F(4, "int32", location, location); }
#include "pg_query_outfuncs_defs.c"
#define OUT_NODE(typename, typename_c, u, U, cast, f) { printf("type %d " #typename "\n", (int) tag); _out##typename_c(0, (const cast *) room); }
int main() {
  printf("list length %lu elements %lu\n", (unsigned long) offsetof(List, length), (unsigned long) offsetof(List, elements));
  for (int tag = 0; tag < 1000; tag++) switch (tag) {
#include "pg_query_outfuncs_conds.c"
    default: break;
  }
#include "enums.inc"
}
