//! COPY: which way, from or to where, in which format.

use crate::Kind;
use crate::statement::{Copy, CopyDirection, CopyEnd, CopyFormat, CopySource, Object};
use crate::tree::{List, Node, Tag, Value, at};
use crate::utility::constant;
use crate::walk::{Walk, range_name};

/// COPY has a kind by its other end, on each table that it moves, and reads or fills these tables.
pub(crate) fn visit<'t>(walk: &mut Walk<'t>, node: Node<'t>) {
    let direction = if node.flag(at!("is_from")) { CopyDirection::In } else { CopyDirection::Out };
    let end = match (node.flag(at!("is_program")), node.text(at!("filename")).is_empty()) {
        (true, _) => CopyEnd::Program,
        (false, false) => CopyEnd::File,
        (false, true) => CopyEnd::Client,
    };
    let kind = match (end, direction) {
        (CopyEnd::Program, _) => Kind::COPY_PROGRAM,
        (CopyEnd::File, _) => Kind::COPY_FILE,
        (CopyEnd::Client, CopyDirection::In) => Kind::COPY_IN,
        (CopyEnd::Client, CopyDirection::Out) => Kind::COPY_OUT,
    };
    let source = match node.node(at!("relation")) {
        Some(relation) => table(walk, node, relation, kind, direction),
        None => query(walk, node, kind),
    };
    walk.value(node.get(at!("whereClause")));
    let options = options(node.list(at!("options")));
    let format = format(&options);
    walk.copy = Some(Copy { direction, source, format, end, options });
}

fn table<'t>(
    walk: &mut Walk<'t>,
    node: Node<'t>,
    relation: Node<'t>,
    kind: Kind,
    direction: CopyDirection,
) -> CopySource {
    walk.table(kind, relation);
    walk.table(if direction == CopyDirection::In { Kind::INSERT } else { Kind::SELECT }, relation);
    let columns: Vec<&str> = node.list(at!("attlist")).iter().filter_map(Value::as_string).collect();
    if columns.is_empty() {
        walk.all_columns(Some(relation.text(at!("relname"))));
    }
    for column in &columns {
        walk.column(Some(relation.text(at!("relname"))), column);
    }
    let columns = columns.into_iter().map(str::to_owned).collect();
    CopySource::Table { name: range_name(relation), columns }
}

/// A query's COPY moves every table that the query reads.
fn query<'t>(walk: &mut Walk<'t>, node: Node<'t>, kind: Kind) -> CopySource {
    let caused = walk.apart(|walk| {
        if let Some(query) = node.node(at!("query")) {
            walk.statement(query);
        }
    });
    let mut none = true;
    for pair in caused {
        if matches!(pair.object, Object::Table(_)) {
            walk.effect(kind, pair.object.clone());
            none = false;
        }
        walk.effect(pair.kind, pair.object);
    }
    if none {
        walk.effect(kind, Object::None);
    }
    CopySource::Query
}

fn options(list: List<'_>) -> Vec<(String, Vec<String>)> {
    list.iter()
        .filter_map(Value::as_node)
        .map(|option| {
            let words = match option.get(at!("arg")) {
                Value::Node(arg) if arg.kind() == Tag::List => {
                    arg.list(at!("items")).iter().filter_map(constant).collect()
                }
                Value::Node(arg) if arg.kind() == Tag::A_Star => vec!["*".to_owned()],
                Value::List(items) => items.iter().filter_map(constant).collect(),
                single => constant(single).into_iter().collect(),
            };
            (option.text(at!("defname")).to_ascii_lowercase(), words)
        })
        .collect()
}

/// The old `BINARY` and `CSV` keywords come from the grammar as `format` options too.
fn format(options: &[(String, Vec<String>)]) -> CopyFormat {
    let mut format = CopyFormat::Text;
    for (_, words) in options.iter().filter(|(name, _)| name == "format") {
        format = match words.first().map(String::as_str) {
            Some("text") => CopyFormat::Text,
            Some("csv") => CopyFormat::Csv,
            Some("binary") => CopyFormat::Binary,
            _ => CopyFormat::Unknown,
        };
    }
    format
}
