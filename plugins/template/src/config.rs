//! The directives, typed.

use plugin::pattern;
use plugin::proto::op::ResponseCode;
use plugin::proto::rr::{DNSClass, RecordType};
use plugin::{Argument, Diagnostic, Directive, Ede, Fallthrough, Property, Setup, Zones};
use regex::Regex;

use crate::expression::{self, Environment, Program, Type};
use crate::subject::FIELDS;
use crate::text::Template;

/// One directive: which queries it is for, and what they are answered with.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) zones: Zones,
    /// `ANY` is for every class.
    pub(crate) class: DNSClass,
    /// `ANY` is for every type.
    pub(crate) rtype: RecordType,
    /// At least one; the first that matches the name gives the groups.
    pub(crate) patterns: Vec<Regex>,
    /// What expressions can name: the functions of a query and the variables.
    pub(crate) environment: Environment,
    /// One for each variable of the environment, in order.
    pub(crate) variables: Vec<Program>,
    /// All must be true for the query to match.
    pub(crate) conditions: Vec<Program>,
    pub(crate) answers: Vec<Template>,
    pub(crate) authorities: Vec<Template>,
    pub(crate) additionals: Vec<Template>,
    pub(crate) rcode: ResponseCode,
    pub(crate) ede: Option<Ede>,
    pub(crate) fallthrough: Fallthrough,
}

impl Config {
    /// Reads all directives of the block, in order.
    pub(crate) fn parse_all(setup: &mut Setup<'_>) -> Vec<Self> {
        let mut configs = Vec::new();
        for directive in setup.directives {
            configs.extend(Self::parse(setup, directive));
        }
        configs
    }

    /// Reads one directive; `None` where it was refused, with everything that is wrong reported.
    fn parse(setup: &mut Setup<'_>, directive: &Directive) -> Option<Self> {
        let (class, rtype, zones) = match directive.arguments.as_slice() {
            [class, rtype, zones @ ..] => (
                setup.note(class_named(class).ok_or_else(|| {
                    class.expected("a class").help("classes: ANY, CH, CS, HS, IN, NONE")
                })),
                setup.note(type_named(rtype).ok_or_else(|| {
                    rtype
                        .expected("a record type")
                        .help("types are written in upper case: `A`, `TXT`; `ANY` is for all")
                })),
                known_zones(zones, &setup.block.zones),
            ),
            _ => {
                setup.note(directive.expect_arguments(2..=usize::MAX));
                (None, None, Zones::default())
            }
        };
        let mut config = Self {
            zones,
            class: class.unwrap_or(DNSClass::ANY),
            rtype: rtype.unwrap_or(RecordType::ANY),
            patterns: Vec::new(),
            environment: expression::environment(),
            variables: Vec::new(),
            conditions: Vec::new(),
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            rcode: ResponseCode::NoError,
            ede: None,
            fallthrough: Fallthrough::default(),
        };
        for property in directive.properties() {
            let result = config.property(setup, directive, property);
            setup.note(result);
        }
        if config.patterns.is_empty() {
            config.patterns.push(Regex::new(".*").expect("the expression is a constant"));
        }
        (class.is_some() && rtype.is_some()).then_some(config)
    }

    fn property(
        &mut self,
        setup: &mut Setup<'_>,
        directive: &Directive,
        property: &Property,
    ) -> Result<(), Diagnostic> {
        property.expect_no_block()?;
        match &*property.name {
            "match" => {
                for argument in property.expect_arguments(1..=usize::MAX)? {
                    self.patterns.extend(setup.note(pattern::compile(argument)));
                }
            }
            "var" => self.variable(setup, property)?,
            "expr" => {
                let source = joined(property.expect_arguments(1..=usize::MAX)?);
                let compiled = self.environment.compile(&source);
                self.conditions
                    .push(compiled.map_err(|error| uncompiled(property, 0, &source, &error))?);
            }
            "answer" => self.answers.extend(templates(setup, property)?),
            "authority" => self.authorities.extend(templates(setup, property)?),
            "additional" => self.additionals.extend(templates(setup, property)?),
            "rcode" => {
                let code = property.argument()?;
                self.rcode = rcode_named(code).ok_or_else(|| {
                    code.expected("a response code")
                        .help("write `NXDOMAIN`, `REFUSED`, `SERVFAIL` …")
                })?;
            }
            "ederror" => {
                let arguments = property.expect_arguments(1..=2)?;
                let what = "an extended error code from 0 to 65535";
                if arguments[0].starts_with('+') {
                    return Err(arguments[0].expected(what));
                }
                let code = arguments[0].parse_as(what)?;
                let text = arguments.get(1).map(|text| text.text.clone()).unwrap_or_default();
                self.ede = Some(Ede::new(code, text));
            }
            "fallthrough" => self.fallthrough = Fallthrough::parse(property)?,
            // Targets of CNAME records are looked up in any case.
            "upstream" => {}
            _ => return Err(directive.unknown_property(property, PROPERTIES)),
        }
        Ok(())
    }

    /// `var NAME EXPRESSION`
    fn variable(&mut self, setup: &mut Setup<'_>, property: &Property) -> Result<(), Diagnostic> {
        let [name, source @ ..] = property.expect_arguments(2..=usize::MAX)? else { return Ok(()) };
        if !is_identifier(name) {
            return Err(name
                .expected("a variable's name")
                .help("names have letters, digits and `_`"));
        }
        if self.environment.knows(name) || expression::is_reserved(name) {
            return Err(Diagnostic::error(name.span, format!("the name `{name}` is taken"))
                .label("means something else in expressions")
                .help("functions, words of the language and earlier variables keep their names"));
        }
        let source = joined(source);
        let compiled = self.environment.compile(&source);
        let program =
            setup.note(compiled.map_err(|error| uncompiled(property, 1, &source, &error)));
        // A variable that cannot be had stays known, lest each of its uses be an error as well.
        let result = program.as_ref().map_or(Type::Any, |program| program.result.clone());
        self.environment.variables.push((name.text.clone(), result));
        self.variables.extend(program);
        Ok(())
    }

    /// All templates, with the names of their sections.
    pub(crate) fn templates(&self) -> impl Iterator<Item = (&'static str, &Template)> {
        let answers = self.answers.iter().map(|template| ("answer", template));
        let additionals = self.additionals.iter().map(|template| ("additional", template));
        let authorities = self.authorities.iter().map(|template| ("authority", template));
        answers.chain(additionals).chain(authorities)
    }
}

/// The zones that the arguments name, those that are no domain names left out; the block's zones without arguments.
fn known_zones(arguments: &[Argument], of_block: &[String]) -> Zones {
    if arguments.is_empty() {
        return Zones::new(of_block.iter().cloned());
    }
    let zones = arguments
        .iter()
        .filter_map(|argument| Zones::parse(std::slice::from_ref(argument), &[]).ok());
    Zones::new(zones.flat_map(|zones| zones.written().to_vec()))
}

fn templates(setup: &mut Setup<'_>, property: &Property) -> Result<Vec<Template>, Diagnostic> {
    let mut templates = Vec::new();
    for argument in property.expect_arguments(1..=usize::MAX)? {
        let template = Template::parse(argument).map_err(|error| {
            Diagnostic::error(argument.span, format!("`{argument}` is not a template: {error}"))
                .label("cannot be read")
                .help("fields and functions stand between `{{` and `}}`; see rhumb-template(7)")
        });
        let Some(template) = setup.note(template) else { continue };
        template.visit_fields(&mut |fields, is_root| {
            if let Some(field) = fields.first().filter(|f| is_root && !FIELDS.contains(&f.as_str()))
            {
                let message = format!("templates have no field `.{field}`");
                setup.report(
                    Diagnostic::warning(argument.span, message)
                        .label("fails for every query")
                        .help(format!("fields: .{}", FIELDS.join(", ."))),
                );
            }
        });
        templates.push(template);
    }
    Ok(templates)
}

/// An expression may stand unquoted: its words are put together again.
fn joined(arguments: &[Argument]) -> String {
    let words: Vec<&str> = arguments.iter().map(|argument| argument.text.as_str()).collect();
    words.join(" ")
}

/// The error for an expression that begins with that argument.
fn uncompiled(
    property: &Property,
    first: usize,
    source: &str,
    error: &expression::CompileError,
) -> Diagnostic {
    let span = property.arguments.get(first).map_or(property.name.span, |argument| argument.span);
    Diagnostic::error(span.to(property.span()), format!("`{source}` is not an expression: {error}"))
        .label("cannot be compiled")
        .help("strings stand in single quotes; see rhumb-template(7) for what expressions can name")
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

/// The class of that mnemonic, in upper case as CoreDNS wants it here.
fn class_named(name: &str) -> Option<DNSClass> {
    (1..=255).map(DNSClass::from).find(|class| {
        let mut mnemonic = String::new();
        plugin::names::push_class(&mut mnemonic, *class);
        mnemonic == name && !name.starts_with("CLASS")
    })
}

/// The type of that mnemonic, in upper case as CoreDNS wants it here.
fn type_named(name: &str) -> Option<RecordType> {
    crate::record::type_named(name).filter(|_| !name.starts_with("TYPE"))
}

fn rcode_named(name: &str) -> Option<ResponseCode> {
    // CoreDNS reads both spellings and writes the short one.
    let name = if name == "NOTIMPL" { "NOTIMP" } else { name };
    (0..=23)
        .map(|code: u8| ResponseCode::from(code >> 4, code & 0xf))
        .find(|rcode| plugin::names::rcode_mnemonic(*rcode) == Some(name))
}

const PROPERTIES: &[&str] = &[
    "match",
    "var",
    "expr",
    "answer",
    "additional",
    "authority",
    "rcode",
    "ederror",
    "fallthrough",
    "upstream",
];
