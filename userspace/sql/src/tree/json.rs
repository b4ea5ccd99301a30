//! The tree from libpg_query's JSON (`pg_query_outfuncs_json.c`), for tests: a node is `{"Type": {fields}}`, except where a field can hold
//! one type only; there the type is left out and [`TYPED_FIELDS`] knows it.

use bumpalo::Bump;

use super::{At, Unreadable, at};

/// Fields that hold one node type and therefore do not name it (from pg_query.proto; a list per type).
const TYPED_FIELDS: &[(&str, &[&str])] = &[
    (
        "RangeVar",
        &[
            "relation",
            "rel",
            "view",
            "table",
            "sequence",
            "constrrel",
            "pktable",
            "typevar",
            "identitySequence",
            "name",
        ],
    ),
    ("SelectStmt", &["larg", "rarg"]),
    ("WithClause", &["withClause"]),
    ("IntoClause", &["into", "intoClause"]),
    ("OnConflictClause", &["onConflictClause"]),
    ("InferClause", &["infer"]),
    ("ReturningClause", &["returningClause"]),
    ("FuncCall", &["funccall"]),
    (
        "TypeName",
        &[
            "typeName",
            "argType",
            "returnType",
            "ofTypename",
            "sourcetype",
            "targettype",
            "storedtype",
            "datatype",
            "type_name",
        ],
    ),
    ("CreateStmt", &["base"]),
    ("VariableSetStmt", &["setstmt"]),
    ("GrantStmt", &["action"]),
    ("ObjectWithArgs", &["func", "opername", "fromsql", "tosql"]),
    ("Alias", &["alias", "join_using_alias"]),
    ("CollateClause", &["collClause"]),
    ("RoleSpec", &["authrole", "grantor", "newowner", "newrole", "owner", "role", "user"]),
    ("WindowDef", &["over"]),
    ("PublicationTable", &["pubtable"]),
    ("String", &["extname"]),
];

/// What the JSON says stands in a field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'j> {
    Null,
    Bool(bool),
    /// Fractions and what does not fit are 0 (only planner fields have them).
    Int(i64),
    Text(&'j str),
    List(&'j [Value<'j>]),
    Node(&'j Node<'j>),
}

/// What it says of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'j> {
    pub(crate) name: &'j str,
    pub(crate) fields: &'j [(At, Value<'j>)],
}

impl<'j> Node<'j> {
    /// A field's value.
    pub(crate) fn get(&self, field: At) -> Value<'j> {
        self.fields.iter().find(|(name, _)| *name == field).map_or(Value::Null, |(_, value)| *value)
    }
}

/// The root of the tree: its `stmts` are the text's statements. Reads without recursion: the text decides the nesting.
pub(crate) fn read<'j>(json: &'j str, arena: &'j Bump, depth_max: usize) -> Result<Node<'j>, Unreadable> {
    let mut reader = Reader { json, arena, at: 0 };
    let mut open: Vec<Open<'_>> = Vec::new();
    loop {
        let mut value = match reader.peek() {
            Some(b'{' | b'[') if open.len() == depth_max => return Err(Unreadable::TooDeep),
            Some(b'{') => {
                reader.at += 1;
                let holder = open.last().map_or("", Open::field);
                open.push(Open::Node { holder, fields: Vec::new(), field: "" });
                None
            }
            Some(b'[') => {
                reader.at += 1;
                open.push(Open::List(Vec::new()));
                None
            }
            Some(b'"') => Some(Value::Text(reader.string()?)),
            _ => Some(reader.bare()?),
        };
        // Close what ends here, then go to the next element of what is still open.
        loop {
            let first = value.is_none();
            match (open.last_mut(), value.take()) {
                (Some(container), Some(value)) => container.push(value),
                (None, Some(Value::Node(root))) if reader.at == json.len() => return Ok(*root),
                (None, _) => return Err(Unreadable::Malformed),
                (Some(_), None) => {}
            }
            let closed = open.last().is_some_and(|container| reader.accept(container.end()));
            if closed {
                value = open.pop().map(|open| open.close(arena));
                continue;
            }
            if !first {
                reader.expect(b',')?;
            }
            if let Some(Open::Node { field, .. }) = open.last_mut() {
                let name = reader.string()?;
                reader.expect(b':')?;
                *field = name;
            }
            break;
        }
    }
}

/// A list or node that is being read.
enum Open<'j> {
    List(Vec<Value<'j>>),
    Node { holder: &'j str, fields: Vec<(&'j str, Value<'j>)>, field: &'j str },
}

impl<'j> Open<'j> {
    fn field(&self) -> &'j str {
        match self {
            Open::List(_) => "",
            Open::Node { field, .. } => field,
        }
    }

    fn end(&self) -> u8 {
        match self {
            Open::List(_) => b']',
            Open::Node { .. } => b'}',
        }
    }

    fn push(&mut self, value: Value<'j>) {
        match self {
            Open::List(items) => items.push(value),
            Open::Node { field: "location", .. } => {}
            Open::Node { fields, field, .. } => fields.push((field, value)),
        }
    }

    fn close(self, arena: &'j Bump) -> Value<'j> {
        match self {
            Open::List(items) => Value::List(arena.alloc_slice_copy(&items)),
            Open::Node { holder, fields, .. } => Value::Node(arena.alloc(typed(holder, &fields, arena))),
        }
    }
}

struct Reader<'j> {
    json: &'j str,
    arena: &'j Bump,
    at: usize,
}

impl<'j> Reader<'j> {
    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.accept(byte) { Ok(()) } else { Err(Unreadable::Malformed) }
    }

    /// `null`, `true`, `false` or a number.
    fn bare(&mut self) -> Result<Value<'j>, Unreadable> {
        let rest = self.json.get(self.at..).unwrap_or("");
        let length = rest.find([',', '}', ']']).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or("");
        self.at += length;
        match word {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Ok(Value::Int(word.parse().unwrap_or_default()))
            }
            _ => Err(Unreadable::Malformed),
        }
    }

    fn string(&mut self) -> Result<&'j str, Unreadable> {
        self.expect(b'"')?;
        let rest = self.json.get(self.at..).ok_or(Unreadable::Malformed)?;
        let plain = rest.find(['"', '\\']).ok_or(Unreadable::Malformed)?;
        let head = rest.get(..plain).ok_or(Unreadable::Malformed)?;
        self.at += plain;
        if self.accept(b'"') {
            return Ok(head);
        }
        let mut text = head.to_owned();
        loop {
            let rest = self.json.get(self.at..).ok_or(Unreadable::Malformed)?;
            let plain = rest.find(['"', '\\']).ok_or(Unreadable::Malformed)?;
            text.push_str(rest.get(..plain).ok_or(Unreadable::Malformed)?);
            self.at += plain;
            if self.accept(b'"') {
                return Ok(self.arena.alloc_str(&text));
            }
            self.expect(b'\\')?;
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, Unreadable> {
        let letter = self.peek().ok_or(Unreadable::Malformed)?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let digits = self.json.get(self.at..self.at + 4).ok_or(Unreadable::Malformed)?;
                self.at += 4;
                let code = u32::from_str_radix(digits, 16).map_err(|_| Unreadable::Malformed)?;
                char::from_u32(code).ok_or(Unreadable::Malformed)?
            }
            _ => return Err(Unreadable::Malformed),
        })
    }
}

/// Names the node: by its only field if that is a type, else by the field that holds it.
fn typed<'j>(field: &str, fields: &[(&'j str, Value<'j>)], arena: &'j Bump) -> Node<'j> {
    if let [(name, Value::Node(inner))] = fields
        && name.starts_with(|c: char| c.is_ascii_uppercase())
    {
        return Node { name, fields: inner.fields };
    }
    let name = TYPED_FIELDS.iter().find(|(_, holders)| holders.contains(&field)).map_or("", |(kind, _)| *kind);
    let fields = arena.alloc_slice_fill_iter(fields.iter().map(|(name, value)| (At::of(name), *value)));
    Node { name, fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_node() {
        let json = r#"{"version":1,"stmts":[{"stmt":{"InsertStmt":{"relation":{"relname":"t\u0041\"","inh":true},"cols":[{}],"location":7}},"stmt_len":3}]}"#;
        let arena = Bump::new();
        let root = read(json, &arena, 20).unwrap();
        let Value::List([Value::Node(raw)]) = root.get(at!("stmts")) else { panic!("{root:?}") };
        let (Value::Node(insert), Value::Int(3)) = (raw.get(at!("stmt")), raw.get(at!("stmt_len"))) else {
            panic!("{raw:?}")
        };
        assert_eq!((insert.name, insert.fields.len()), ("InsertStmt", 2));
        let Value::Node(relation) = insert.get(at!("relation")) else { panic!("{insert:?}") };
        assert_eq!(relation.name, "RangeVar");
        assert!(matches!(relation.get(at!("relname")), Value::Text("tA\"")));
        assert!(matches!(relation.get(at!("inh")), Value::Bool(true)));
    }

    #[test]
    fn refuses_what_the_library_does_not_write() {
        for json in ["", "{", "{\"a\"", "{\"a\":}", "[1", "\"a", "{\"a\":1}x", "{\"a\":nul}", "{\"a\":\"\\u12\"}"] {
            assert_eq!(read(json, &Bump::new(), 20).err(), Some(Unreadable::Malformed), "{json}");
        }
        assert_eq!(read(r#"{"a":[[[1]]]}"#, &Bump::new(), 3).err(), Some(Unreadable::TooDeep));
    }
}
