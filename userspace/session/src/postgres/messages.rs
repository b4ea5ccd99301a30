//! The messages that a session reads into or writes itself, strictly: every inner length sums to the frame's, strings end inside
//! it, nothing is left over. (The manual, "Message Formats".)

/// Reads one message body from front to back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Body<'a> {
        Body { rest }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A count or length that may not be negative.
    pub(super) fn count16(&mut self) -> Option<usize> {
        usize::try_from(self.i16()?).ok()
    }

    /// A string up to its zero byte.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let text = self.bytes(end)?;
        self.u8()?;
        Some(text)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// `Some` when nothing is left.
    pub(super) fn end(self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }
}

/// Query: the text.
pub(super) fn query(body: &[u8]) -> Option<&[u8]> {
    let mut body = Body::new(body);
    let text = body.string()?;
    body.end()?;
    Some(text)
}

/// Parse: name and text; the parameters' types are counted.
pub(super) fn parse(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut body = Body::new(body);
    let name = body.string()?;
    let text = body.string()?;
    let types = body.count16()?;
    body.bytes(types.checked_mul(4)?)?;
    body.end()?;
    Some((name, text))
}

fn formats(body: &mut Body<'_>) -> Option<()> {
    for _ in 0..body.count16()? {
        matches!(body.i16()?, 0 | 1).then_some(())?;
    }
    Some(())
}

fn values(body: &mut Body<'_>) -> Option<()> {
    for _ in 0..body.count16()? {
        let len = body.i32()?;
        if len != -1 {
            body.bytes(usize::try_from(len).ok()?)?;
        }
    }
    Some(())
}

/// Bind: portal and statement.
pub(super) fn bind(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut body = Body::new(body);
    let portal = body.string()?;
    let statement = body.string()?;
    formats(&mut body)?;
    values(&mut body)?;
    formats(&mut body)?;
    body.end()?;
    Some((portal, statement))
}

/// Describe and Close: `S` or `P`, and the name.
pub(super) fn target(body: &[u8]) -> Option<(u8, &[u8])> {
    let mut body = Body::new(body);
    let kind = body.u8().filter(|kind| matches!(kind, b'S' | b'P'))?;
    let name = body.string()?;
    body.end()?;
    Some((kind, name))
}

/// Execute: the portal.
pub(super) fn execute(body: &[u8]) -> Option<&[u8]> {
    let mut body = Body::new(body);
    let portal = body.string()?;
    body.i32()?;
    body.end()?;
    Some(portal)
}

/// FunctionCall: the function's OID and whether its result is binary.
pub(super) fn function_call(body: &[u8]) -> Option<(u32, bool)> {
    let mut body = Body::new(body);
    let oid = body.u32()?;
    formats(&mut body)?;
    values(&mut body)?;
    let format = body.i16()?;
    body.end()?;
    matches!(format, 0 | 1).then_some((oid, format == 1))
}

/// One field of RowDescription.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) table_oid: u32,
    pub(super) number: i16,
    pub(super) type_oid: u32,
    pub(super) binary: bool,
}

/// RowDescription: each field in order. `None`: malformed.
pub(super) fn row_description(body: &[u8], mut each: impl FnMut(Field)) -> Option<()> {
    let mut body = Body::new(body);
    for _ in 0..body.count16()? {
        body.string()?;
        let table_oid = body.u32()?;
        let number = body.i16()?;
        let type_oid = body.u32()?;
        body.i16()?;
        body.i32()?;
        let format = body.i16()?;
        matches!(format, 0 | 1).then_some(())?;
        each(Field { table_oid, number, type_oid, binary: format == 1 });
    }
    body.end()
}

/// DataRow: each value in order.
pub(super) fn data_row<'a>(body: &'a [u8], mut each: impl FnMut(usize, Option<&'a [u8]>)) -> Option<()> {
    let mut body = Body::new(body);
    for index in 0..body.count16()? {
        let len = body.i32()?;
        let value = if len == -1 { None } else { Some(body.bytes(usize::try_from(len).ok()?)?) };
        each(index, value);
    }
    body.end()
}

/// CopyInResponse, CopyOutResponse: whether it is binary, and how many columns it has.
pub(super) fn copy_response(body: &[u8]) -> Option<(bool, usize)> {
    let mut body = Body::new(body);
    let binary = body.u8()?;
    let columns = body.count16()?;
    for _ in 0..columns {
        body.i16()?;
    }
    body.end()?;
    matches!(binary, 0 | 1).then_some((binary == 1, columns))
}

/// ParameterStatus: name and value.
pub(super) fn parameter_status(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut body = Body::new(body);
    let name = body.string()?;
    let value = body.string()?;
    body.end()?;
    Some((name, value))
}

/// ReadyForQuery: `I`, `T` or `E`.
pub(super) fn ready(body: &[u8]) -> Option<u8> {
    match body {
        [status @ (b'I' | b'T' | b'E')] => Some(*status),
        _ => None,
    }
}

/// The rows that a command tag counts (`SELECT 5`, `INSERT 0 5`).
pub(super) fn tag_rows(tag: &[u8]) -> Option<u64> {
    let digits = tag.rsplit(|byte| *byte == b' ').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// ErrorResponse: the value of one field.
pub(super) fn error_field(body: &[u8], code: u8) -> Option<&[u8]> {
    let mut body = Body::new(body);
    loop {
        let field = body.u8().filter(|field| *field != 0)?;
        let value = body.string()?;
        if field == code {
            return Some(value);
        }
    }
}

/// Writes one message: its type, a length that is filled in behind, and what `body` writes.
pub(super) fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let len = (out.len() - at) as u32;
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&len.to_be_bytes());
    }
}

pub(super) fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.push(0);
}

pub(super) fn write_query(out: &mut Vec<u8>, text: &str) {
    message(out, b'Q', |out| write_string(out, text.as_bytes()));
}

pub(super) fn write_parse(out: &mut Vec<u8>, name: &[u8], text: &str) {
    message(out, b'P', |out| {
        write_string(out, name);
        write_string(out, text.as_bytes());
        out.extend_from_slice(&0i16.to_be_bytes());
    });
}

pub(super) fn write_describe_portal(out: &mut Vec<u8>, name: &[u8]) {
    message(out, b'D', |out| {
        out.push(b'P');
        write_string(out, name);
    });
}

pub(super) fn write_ready(out: &mut Vec<u8>, status: u8) {
    message(out, b'Z', |out| out.push(status));
}

/// What an error of ours says. All of it is text that may be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct ErrorText<'a> {
    /// As the server spells it, in its language.
    pub(super) severity: &'a [u8],
    /// `ERROR` or `FATAL`, never translated.
    pub(super) severity_word: &'a [u8],
    pub(super) code: &'a [u8],
    pub(super) message: &'a str,
    pub(super) detail: &'a str,
    pub(super) hint: &'a str,
}

pub(super) fn write_error(out: &mut Vec<u8>, error: &ErrorText<'_>) {
    let fields: [(u8, &[u8]); 6] = [
        (b'S', error.severity),
        (b'V', error.severity_word),
        (b'C', error.code),
        (b'M', error.message.as_bytes()),
        (b'D', error.detail.as_bytes()),
        (b'H', error.hint.as_bytes()),
    ];
    message(out, b'E', |out| {
        for (code, value) in fields {
            if !value.is_empty() {
                out.push(code);
                // A zero byte cannot come in; anything outside ASCII may not be in the client's encoding.
                out.extend(value.iter().map(|byte| if byte.is_ascii() && *byte != 0 { *byte } else { b'?' }));
                out.push(0);
            }
        }
        out.push(0);
    });
}
