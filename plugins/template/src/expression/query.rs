//! Functions that a query answers.

use std::net::IpAddr;

use plugin::Request;

use super::check::{Environment, Function};
use super::eval::{Host, RunError};
use super::value::{Type, Value};
use crate::subject::{client_ip, name_text};

/// The functions that every expression about a query has.
pub(crate) fn environment() -> Environment {
    let functions = FUNCTIONS.iter().map(|(name, parameters, result, is_impure)| Function {
        name,
        parameters,
        result: result.clone(),
        is_impure: *is_impure,
    });
    Environment { functions: functions.collect(), variables: Vec::new() }
}

/// One query, and the groups of the pattern that its name matched.
pub(crate) struct QueryHost<'a> {
    pub(crate) request: &'a Request,
    /// The group of that number or name; empty where there is none.
    pub(crate) group: &'a dyn Fn(&str) -> String,
}

impl Host for QueryHost<'_> {
    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, RunError> {
        let request = self.request;
        let (origin, metadata) = (request.origin(), &request.message().metadata);
        Ok(match (name, arguments) {
            ("incidr", [Value::Text(address), Value::Text(network)]) => {
                Value::Bool(in_cidr(address, network)?)
            }
            ("group", [Value::Text(name)]) => Value::Text((self.group)(name)),
            ("group", [Value::Int(number)]) => Value::Text((self.group)(&number.to_string())),
            // There is no metadata yet, and a label that nobody provides is empty.
            ("metadata", [Value::Text(_)]) | ("group", [_]) => Value::Text(String::new()),
            ("type", []) => {
                let mut text = String::new();
                plugin::names::push_type(&mut text, request.qtype());
                Value::Text(text)
            }
            ("class", []) => {
                let mut text = String::new();
                plugin::names::push_class(&mut text, request.question().query_class());
                Value::Text(text)
            }
            ("name", []) => Value::Text(name_text(request.qname())),
            ("proto", []) => Value::Text(origin.transport.as_str().to_owned()),
            ("size", []) => Value::Int(i64::try_from(origin.len).unwrap_or(i64::MAX)),
            ("client_ip", []) => Value::Text(client_ip(request)),
            ("port", []) => Value::Text(origin.client.port().to_string()),
            ("server_ip", []) => Value::Text(origin.local.ip().to_canonical().to_string()),
            ("server_port", []) => Value::Text(origin.local.port().to_string()),
            ("id", []) => Value::Int(i64::from(metadata.id)),
            ("opcode", []) => Value::Int(i64::from(u8::from(metadata.op_code))),
            ("do", []) => Value::Bool(request.edns().is_some_and(|edns| edns.flags().dnssec_ok)),
            ("bufsize", []) => Value::Int(i64::from(request.udp_payload_size())),
            (name, _) => return Err(RunError::new(format!("{name} cannot take these arguments"))),
        })
    }
}

/// Whether an address is in a network; IPv4 in IPv6 counts as IPv4.
fn in_cidr(address: &str, network: &str) -> Result<bool, RunError> {
    let address: IpAddr = address.parse().map_err(|_| {
        RunError::new(format!("incidr: `{}` is no address", address.escape_debug()))
    })?;
    let wrong = || RunError::new(format!("incidr: `{}` is no network", network.escape_debug()));
    let (base, length) = network.split_once('/').ok_or_else(wrong)?;
    let base: IpAddr = base.parse().map_err(|_| wrong())?;
    if !length.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let length: u32 = length.parse().map_err(|_| wrong())?;
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (32, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (128, u128::from(v6)),
    };
    let (n_bits, base) = bits(base);
    if length > n_bits {
        return Err(wrong());
    }
    let (n_address_bits, address) = bits(address.to_canonical());
    let n_free = n_bits - length;
    Ok(n_address_bits == n_bits && (address ^ base).checked_shr(n_free).unwrap_or(0) == 0)
}

/// Name, parameters, result, and whether it depends on more than what replies are kept apart by.
const FUNCTIONS: &[(&str, &[Type], Type, bool)] = &[
    ("incidr", &[Type::Text, Type::Text], Type::Bool, false),
    ("metadata", &[Type::Text], Type::Text, true),
    ("group", &[Type::Any], Type::Text, false),
    ("type", &[], Type::Text, false),
    ("name", &[], Type::Text, false),
    ("class", &[], Type::Text, false),
    ("proto", &[], Type::Text, true),
    ("size", &[], Type::Int, true),
    ("client_ip", &[], Type::Text, true),
    ("port", &[], Type::Text, true),
    ("id", &[], Type::Int, true),
    ("opcode", &[], Type::Int, true),
    ("do", &[], Type::Bool, false),
    ("bufsize", &[], Type::Int, false),
    ("server_ip", &[], Type::Text, true),
    ("server_port", &[], Type::Text, true),
];
