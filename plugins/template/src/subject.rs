//! What templates can say about a query.

use std::collections::BTreeMap;

use plugin::Request;
use plugin::names::{push_class, push_name, push_type};
use plugin::proto::rr::{DNSClass, Name, RecordType};
use regex::{Captures, Regex};

use crate::text::{Map, Object, Subject, Value};

/// One query that one directive matches.
pub(crate) struct Matched<'a> {
    pub(crate) request: &'a Request,
    /// The name asked for, in lower case.
    pub(crate) name: &'a str,
    pub(crate) zone: String,
    /// The class asked for; where that is ANY, the directive's.
    pub(crate) class: String,
    /// The type asked for; where that is ANY, the directive's.
    pub(crate) rtype: String,
    pub(crate) pattern: &'a Regex,
    pub(crate) captures: Captures<'a>,
    pub(crate) variables: Map,
}

impl Matched<'_> {
    /// The group of that number or name; empty where there is none or it took no part in the match.
    pub(crate) fn group(&self, name: &str) -> String {
        let group = match name.parse() {
            Ok(number) => self.captures.get(number),
            Err(_) => self.captures.name(name),
        };
        group.map_or("", |group| group.as_str()).to_owned()
    }

    /// All groups by number, and by name where they have one.
    fn groups(&self) -> BTreeMap<String, Value> {
        let texts = self.captures.iter().map(|group| group.map_or("", |group| group.as_str()));
        let numbered = texts.clone().enumerate().map(|(i, text)| (i.to_string(), text));
        let names = self.pattern.capture_names().zip(texts);
        let named = names.filter_map(|(name, text)| Some((name?.to_owned(), text)));
        numbered.chain(named).map(|(name, text)| (name, Value::text(text))).collect()
    }
}

impl Subject for Matched<'_> {
    fn field(&self, of: Object, name: &str) -> Option<Value> {
        match of {
            Object::Root => self.root_field(name),
            Object::Message => message_field(self.request, name),
            Object::Question => question_field(self.request, name),
        }
    }

    // There is no metadata yet; a name that nobody provides is empty.
    fn meta(&self, _label: &str) -> String {
        String::new()
    }
}

impl Matched<'_> {
    fn root_field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Zone" => Value::text(&self.zone),
            "Name" => Value::text(self.name),
            "Class" => Value::text(&self.class),
            "Type" => Value::text(&self.rtype),
            "Regex" => Value::text(self.pattern.as_str()),
            "Match" => {
                let groups = self.captures.iter();
                Value::List(groups.map(|g| Value::text(g.map_or("", |g| g.as_str()))).collect())
            }
            "Group" => Value::Map(Map { entries: self.groups(), is_text: true }),
            "Var" => Value::Map(self.variables.clone()),
            "Remote" => Value::text(client_ip(self.request)),
            "Message" => Value::Object(Object::Message),
            "Question" => Value::Object(Object::Question),
            _ => return None,
        })
    }
}

/// The client's address without its port; IPv4 on a dual-stack socket as IPv4.
pub(crate) fn client_ip(request: &Request) -> String {
    request.client().ip().to_canonical().to_string()
}

fn message_field(request: &Request, name: &str) -> Option<Value> {
    let message = request.message();
    let metadata = &message.metadata;
    Some(match name {
        "Id" => Value::Uint(u64::from(metadata.id)),
        "Opcode" => Value::Int(i64::from(u8::from(metadata.op_code))),
        "Rcode" => Value::Int(i64::from(u16::from(metadata.response_code))),
        "Response" | "Zero" => Value::Bool(false),
        "Authoritative" => Value::Bool(metadata.authoritative),
        "Truncated" => Value::Bool(metadata.truncation),
        "RecursionDesired" => Value::Bool(metadata.recursion_desired),
        "RecursionAvailable" => Value::Bool(metadata.recursion_available),
        "AuthenticatedData" => Value::Bool(metadata.authentic_data),
        "CheckingDisabled" => Value::Bool(metadata.checking_disabled),
        "Question" => Value::List(vec![Value::Object(Object::Question)]),
        _ => return None,
    })
}

fn question_field(request: &Request, name: &str) -> Option<Value> {
    Some(match name {
        // In the client's letter case.
        "Name" => Value::Text(request.qname().to_ascii()),
        "Qtype" => Value::Uint(u64::from(u16::from(request.qtype()))),
        "Qclass" => Value::Uint(u64::from(u16::from(request.question().query_class()))),
        _ => return None,
    })
}

/// The fields that depend on more than the question and the header bits that replies are kept apart by.
pub(crate) const IMPURE_FIELDS: &[&str] = &["Remote", "Message", "Meta"];

/// Every field of the root.
pub(crate) const FIELDS: &[&str] = &[
    "Zone", "Name", "Class", "Type", "Regex", "Match", "Group", "Var", "Remote", "Message",
    "Question", "Meta",
];

/// A name in lower case, as zone files write it.
pub(crate) fn name_text(name: &Name) -> String {
    let mut text = String::new();
    push_name(&mut text, name);
    text
}

/// The class's mnemonic; empty where it has none.
pub(crate) fn class_text(class: DNSClass) -> String {
    let mut text = String::new();
    push_class(&mut text, class);
    if text.starts_with("CLASS") { String::new() } else { text }
}

/// The type's mnemonic; empty where it has none.
pub(crate) fn type_text(rtype: RecordType) -> String {
    let mut text = String::new();
    push_type(&mut text, rtype);
    if text.starts_with("TYPE") { String::new() } else { text }
}
