//! What would this statement do? Effects, tables, functions, by the server's own grammar.
