//! What a message of the database carries, value by value.

use crate::raw::Message;

/// The name of a message's type, for reports.
pub fn name(tag: u8) -> &'static str {
    match tag {
        b'D' => "DataRow",
        b'E' => "ErrorResponse",
        b'N' => "NoticeResponse",
        b'S' => "ParameterStatus",
        b'A' => "NotificationResponse",
        b'T' => "RowDescription",
        b'C' => "CommandComplete",
        b'd' => "CopyData",
        b'V' => "FunctionCallResponse",
        b't' => "ParameterDescription",
        b'K' => "BackendKeyData",
        b'Z' => "ReadyForQuery",
        _ => "another message",
    }
}

/// How the service says that a statement waits for a person.
const HELD: &str = "held for approval ";

/// The service's own word in place of an answer: its refusal, whose DETAIL names the record, or that a person is asked.
pub fn is_own(message: &Message) -> bool {
    match message.tag {
        b'E' => message.field(b'D').is_some_and(|detail| detail.starts_with("record ")),
        b'N' => is_ask(message),
        _ => false,
    }
}

/// A person is asked.
pub fn is_ask(message: &Message) -> bool {
    message.tag == b'N' && message.field(b'M').is_some_and(|text| text.starts_with(HELD))
}

/// Its values: the fields of a row (`None`: null), the texts of an error, of a status or a notification, names of columns.
pub fn values(message: &Message) -> Vec<Option<Vec<u8>>> {
    let body = message.body.as_slice();
    match message.tag {
        b'D' => row(body),
        b'E' | b'N' => body.split(|byte| *byte == 0).filter_map(|field| field.get(1..)).map(kept).collect(),
        b'S' => body.split(|byte| *byte == 0).map(kept).collect(),
        b'A' => body.get(4..).unwrap_or_default().split(|byte| *byte == 0).map(kept).collect(),
        b'T' => columns(body).into_iter().map(|(name, _)| Some(name)).collect(),
        b'K' | b'R' | b'Z' => Vec::new(),
        _ => vec![Some(body.to_vec())],
    }
}

fn kept(field: &[u8]) -> Option<Vec<u8>> {
    Some(field.to_vec())
}

fn row(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let (mut fields, mut at) = (Vec::new(), 2);
    while let Some(len) = body.get(at..at + 4) {
        let len = i32::from_be_bytes([len[0], len[1], len[2], len[3]]);
        at += 4;
        let Ok(len) = usize::try_from(len) else {
            fields.push(None);
            continue;
        };
        fields.push(Some(body.get(at..at + len).unwrap_or_default().to_vec()));
        at += len;
    }
    fields
}

/// Names and the bytes behind them (table, attribute, type, size, modifier, format) of a RowDescription.
pub fn columns(body: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut columns, mut at) = (Vec::new(), 2);
    while let Some(len) = body.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0)) {
        let name = body[at..at + len].to_vec();
        at += len + 1;
        let Some(rest) = body.get(at..at + 18) else { break };
        columns.push((name, rest.to_vec()));
        at += 18;
    }
    columns
}

/// What may differ between two runs and must not where values are masked: everything but the digits.
pub fn shape(message: &Message) -> Vec<Vec<u8>> {
    match message.tag {
        b'D' => row(&message.body).into_iter().map(|field| field.map_or(vec![0xff], |f| length(f.len()))).collect(),
        b'T' => {
            columns(&message.body).into_iter().map(|(name, rest)| [length(name.len()), kind(rest)].concat()).collect()
        }
        b'E' | b'N' => vec![message.code().into_bytes()],
        b'd' | b'S' | b'A' => vec![length(message.body.len())],
        _ => vec![message.body.clone()],
    }
}

/// All of a message but what differs from run to run.
pub fn stable(message: &Message) -> Vec<Vec<u8>> {
    match message.tag {
        b'T' => columns(&message.body).into_iter().flat_map(|(name, rest)| [name, kind(rest)]).collect(),
        _ => vec![message.body.clone()],
    }
}

/// Of a column's description: all but the OIDs of tables and types that a case made itself, which differ from run to run.
fn kind(mut description: Vec<u8>) -> Vec<u8> {
    const FIRST_NORMAL: u32 = 16_384;
    for at in [0, 6] {
        if let Some(oid) = description.get_mut(at..at + 4)
            && u32::from_be_bytes([oid[0], oid[1], oid[2], oid[3]]) >= FIRST_NORMAL
        {
            oid.fill(0xff);
        }
    }
    description
}

fn length(len: usize) -> Vec<u8> {
    len.to_be_bytes().to_vec()
}
