//! The format of a line: text, with placeholders for what is known about a query and its reply.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `{type}` `{class}` `{name}` | the question; the name in lower case |
//! | `{proto}` `{remote}` `{port}` `{local}` | transport, the client's address and port, the address it asked |
//! | `{size}` `{>id}` `{>opcode}` `{>do}` `{>bufsize}` | the query: octets, header, EDNS |
//! | `{rcode}` `{rsize}` `{>rflags}` `{duration}` | the reply: response code, octets, flags, seconds it took |
//! | `{/log/type}` `{/log/class}` `{/view/name}` | what kind of answer it is; which view gave it |
//!
//! What is not known of a query is shown as `-`; other text in braces stands for itself.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use plugin::Request;
use plugin::proto::op::{Message, Metadata};
use plugin::proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};

use crate::class::Type;
use plugin::names;

/// A format, taken apart once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
    /// `{/label}`: something that a plugin published about the query.
    Metadata(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    Type,
    Name,
    Class,
    Proto,
    Size,
    Remote,
    Port,
    Local,
    Id,
    OpCode,
    DnssecOk,
    BufSize,
    Rcode,
    ReplySize,
    Duration,
    ReplyFlags,
}

/// What a line is made from.
pub(crate) struct Exchange<'a> {
    pub(crate) request: &'a Request,
    /// `None` where the client hears nothing.
    pub(crate) reply: Option<&'a Message>,
    pub(crate) reply_type: Type,
    pub(crate) duration: Duration,
}

impl Format {
    /// The default.
    pub(crate) fn common() -> Self {
        Self::of_text(COMMON)
    }

    /// A format as written; `{common}` and `{combined}` in it stand for those.
    pub(crate) fn parse(written: &str) -> Self {
        let combined = format!("{COMMON} \"{{>opcode}}\"");
        Self::of_text(&written.replace("{common}", COMMON).replace("{combined}", &combined))
    }

    /// A placeholder runs from the *last* opening brace to the next closing one, so in `{ {name} }` it is the inner
    /// pair that counts.
    fn of_text(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(end) = rest.find('}') {
            let (head, tail) = rest.split_at(end + 1);
            rest = tail;
            let start = head.rfind('{').unwrap_or(end);
            let braced = &head[start..];
            let value = match braced.strip_prefix("{/") {
                Some(label) => Some(Piece::Metadata(label.trim_end_matches('}').to_owned())),
                None => Placeholder::parse(braced).map(Piece::Value),
            };
            match value {
                Some(value) => {
                    literal.push_str(&head[..start]);
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(value);
                }
                None => literal.push_str(head),
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Self(pieces)
    }

    /// What looks like a placeholder and is none.
    pub(crate) fn unknown(&self) -> Vec<&str> {
        let texts = self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let braced = texts.flat_map(|text| {
            text.match_indices('{').filter_map(move |(start, _)| {
                let end = start + text[start..].find('}')?;
                Some(&text[start..=end])
            })
        });
        braced
            .filter(|braced| {
                let inside = &braced[1..braced.len() - 1];
                !inside.is_empty() && !inside.contains([' ', '{', '"'])
            })
            .collect()
    }

    /// For the help of a diagnostic.
    pub(crate) fn placeholders_in_words() -> String {
        let names: Vec<_> = PLACEHOLDERS.iter().map(|(written, _)| *written).collect();
        format!("placeholders: {} {{/LABEL}}", names.join(" "))
    }

    /// The line for one query.
    pub(crate) fn line(&self, exchange: &Exchange<'_>) -> String {
        let mut line = String::with_capacity(LINE_LEN);
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Value(placeholder) => placeholder.push(&mut line, exchange),
                Piece::Metadata(label) => line.push_str(metadata(label, exchange)),
            }
        }
        line
    }
}

impl Placeholder {
    fn parse(braced: &str) -> Option<Self> {
        PLACEHOLDERS.iter().find(|(written, _)| *written == braced).map(|(_, found)| *found)
    }

    fn push(self, line: &mut String, exchange: &Exchange<'_>) {
        let Exchange { request, reply, duration, .. } = exchange;
        let question = request.question();
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Type => {
                names::push_type(line, question.query_type());
                Ok(())
            }
            Self::Name => {
                names::push_name(line, question.name());
                Ok(())
            }
            Self::Class => {
                names::push_class(line, question.query_class());
                Ok(())
            }
            Self::Proto => write!(line, "{}", request.origin().transport),
            Self::Size => write!(line, "{}", uncompressed_len(request.message())),
            Self::Remote => push_address(line, request.client().ip()),
            Self::Port => write!(line, "{}", request.client().port()),
            Self::Local => push_address(line, request.origin().local.ip()),
            Self::Id => write!(line, "{}", request.message().metadata.id),
            Self::OpCode => write!(line, "{}", u8::from(request.message().metadata.op_code)),
            Self::DnssecOk => write!(line, "{}", request.dnssec_ok()),
            Self::BufSize => write!(line, "{}", request.udp_payload_size()),
            Self::Rcode => {
                match reply {
                    Some(reply) => names::push_rcode(line, reply.metadata.response_code),
                    None => line.push_str(EMPTY),
                }
                Ok(())
            }
            Self::ReplySize => write!(line, "{}", reply.map_or(0, uncompressed_len)),
            Self::Duration => write!(line, "{}s", duration.as_secs_f64()),
            Self::ReplyFlags => {
                match reply {
                    Some(reply) => {
                        push_flags(line, &reply.metadata, will_be_truncated(request, reply));
                    }
                    None => line.push_str(EMPTY),
                }
                Ok(())
            }
        };
    }
}

/// What is known under a label of `metadata`.
fn metadata<'a>(label: &str, exchange: &Exchange<'a>) -> &'a str {
    match label {
        "log/type" => exchange.reply_type.as_str(),
        "log/class" => exchange.reply_type.class().as_str(),
        "view/name" if !exchange.request.view().is_empty() => exchange.request.view(),
        _ => EMPTY,
    }
}

/// Whether the server will have to leave something out: it compresses names first, and adds an OPT record where the
/// client sent one. This plugin sees the reply before that.
fn will_be_truncated(request: &Request, reply: &Message) -> bool {
    let opt_len = if request.edns().is_some() && reply.edns.is_none() { MIN_OPT_LEN } else { 0 };
    let most = usize::from(request.udp_payload_size()).saturating_sub(opt_len);
    uncompressed_len(reply) > most && encoded_len(reply, NameEncoding::Compressed) > most
}

/// Octets of the message in wire format without name compression, which is how replies that fit are sent.
fn uncompressed_len(message: &Message) -> usize {
    encoded_len(message, NameEncoding::Uncompressed)
}

fn encoded_len(message: &Message, names: NameEncoding) -> usize {
    let mut octets = Vec::with_capacity(512);
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(names);
    match message.emit(&mut encoder) {
        Ok(()) => octets.len(),
        // Longer than any message can be.
        Err(_) => usize::from(u16::MAX),
    }
}

/// RFC 3986 §3.2.2: an IPv6 address stands in brackets, so that its end is clear.
fn push_address(line: &mut String, address: IpAddr) -> std::fmt::Result {
    match address.to_canonical() {
        IpAddr::V4(v4) => write!(line, "{v4}"),
        IpAddr::V6(v6) => write!(line, "[{v6}]"),
    }
}

fn push_flags(line: &mut String, header: &Metadata, will_be_truncated: bool) {
    let flags = [
        (header.message_type == plugin::proto::op::MessageType::Response, "qr"),
        (header.authoritative, "aa"),
        (header.truncation || will_be_truncated, "tc"),
        (header.recursion_desired, "rd"),
        (header.recursion_available, "ra"),
        (header.authentic_data, "ad"),
        (header.checking_disabled, "cd"),
    ];
    let mut separator = "";
    for (_, flag) in flags.iter().filter(|(is_set, _)| *is_set) {
        line.push_str(separator);
        line.push_str(flag);
        separator = ",";
    }
}

const COMMON: &str = "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" \
                      {rcode} {>rflags} {rsize} {duration}";
const EMPTY: &str = "-";
/// RFC 6891 §6.1.2: an OPT record without options.
const MIN_OPT_LEN: usize = 11;
/// A line of the common format is shorter, unless the name is long.
const LINE_LEN: usize = 192;

const PLACEHOLDERS: &[(&str, Placeholder)] = &[
    ("{type}", Placeholder::Type),
    ("{name}", Placeholder::Name),
    ("{class}", Placeholder::Class),
    ("{proto}", Placeholder::Proto),
    ("{size}", Placeholder::Size),
    ("{remote}", Placeholder::Remote),
    ("{port}", Placeholder::Port),
    ("{local}", Placeholder::Local),
    ("{>id}", Placeholder::Id),
    ("{>opcode}", Placeholder::OpCode),
    ("{>do}", Placeholder::DnssecOk),
    ("{>bufsize}", Placeholder::BufSize),
    ("{rcode}", Placeholder::Rcode),
    ("{rsize}", Placeholder::ReplySize),
    ("{duration}", Placeholder::Duration),
    ("{>rflags}", Placeholder::ReplyFlags),
];
