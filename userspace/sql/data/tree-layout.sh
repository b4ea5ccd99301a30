#!/bin/sh
# Makes tree-layout.txt from the sources of the pg_query crate: tree-layout.sh DIRECTORY-OF-LIBPG_QUERY > tree-layout.txt
# tree-layout.c includes the library's own list of fields with macros that print offsets; the enumerations come from its switch statements.
set -eu
lib=$1
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
awk '/^_enumToString/ { sub(/^_enumToString/, ""); sub(/\(.*/, ""); printf "printf(\"enum %s\");\n", $0; open = 1 }
     open && /case / { sub(/:$/, "", $2); printf "printf(\" %%d=%s\", (int) %s);\n", $2, $2 }
     open && /^}/ { print "printf(\"\\n\");"; open = 0 }' "$lib/src/include/pg_query_enum_defs.c" > "$work/enums.inc"
cc -O2 -w -I"$work" -I"$lib" -I"$lib/vendor" -I"$lib/vendor/upb" -I"$lib/src" -I"$lib/src/include" -I"$lib/src/postgres/include" \
    -o "$work/layout" "$here/tree-layout.c"
sed -n '1,2p' "$here/tree-layout.txt"
"$work/layout"
