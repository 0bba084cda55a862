//! Which directive answers, and how.

use plugin::metrics::CounterVec;
use plugin::proto::op::{Edns, Message, ResponseCode};
use plugin::proto::rr::rdata::opt::EdnsOption;
use plugin::proto::rr::{DNSClass, RData, Record, RecordType};
use plugin::{Ede, Next, Plugin, Replay, Reply, Request, ServeError, async_trait};

use crate::config::Config;
use crate::expression::{QueryHost, RunError, Value};
use crate::metrics::Metrics;
use crate::record;
use crate::subject::{IMPURE_FIELDS, Matched, class_text, name_text, type_text};
use crate::text::{EvalError, Map, Template};

/// All `template` directives of a block, in order.
pub(crate) struct Templates {
    instances: Vec<Instance>,
    /// Whether the conditions of all directives depend on nothing but the question.
    is_pure: bool,
    metrics: Metrics,
}

struct Instance {
    config: Config,
    /// Whether an answer depends on nothing but the question: it can be replayed then.
    is_pure: bool,
}

/// What one directive makes of a query.
enum Verdict<'a> {
    /// It is for other zones, classes or types, or it falls through.
    NotMine,
    /// It is for this query but has no answer.
    Unanswered,
    Matched(Box<Matched<'a>>),
}

impl Templates {
    pub(crate) fn new(configs: Vec<Config>, metrics: Metrics) -> Self {
        let mut expressions = configs.iter().flat_map(|c| c.variables.iter().chain(&c.conditions));
        let is_pure = expressions.all(|program| program.is_pure);
        let instances = configs.into_iter().map(Instance::new).collect();
        Self { instances, is_pure, metrics }
    }
}

#[async_trait]
impl Plugin for Templates {
    async fn serve(&self, request: &Request, next: Next<'_>) -> Result<Reply, ServeError> {
        let name = name_text(request.qname());
        for instance in &self.instances {
            match instance.verdict(request, &name) {
                Verdict::NotMine => {}
                Verdict::Unanswered => return Err(ServeError::rcode_only(ResponseCode::ServFail)),
                Verdict::Matched(matched) => return self.answer(instance, &matched).await,
            }
        }
        next.serve(request).await
    }

    fn is_pure(&self) -> bool {
        self.is_pure
    }
}

impl Instance {
    fn new(config: Config) -> Self {
        let mut is_pure = true;
        for (_, template) in config.templates() {
            template.visit_fields(&mut |fields, _| {
                is_pure &= !fields.iter().any(|field| IMPURE_FIELDS.contains(&field.as_str()));
            });
        }
        Self { config, is_pure }
    }

    fn verdict<'a>(&'a self, request: &'a Request, name: &'a str) -> Verdict<'a> {
        let config = &self.config;
        let Some(zone) = config.zones.matching(request.qname()) else { return Verdict::NotMine };
        let (qclass, qtype) = (request.question().query_class(), request.qtype());
        let is_class = [config.class, qclass].contains(&DNSClass::ANY) || config.class == qclass;
        let is_type = [config.rtype, qtype].contains(&RecordType::ANY) || config.rtype == qtype;
        if !is_class || !is_type {
            return Verdict::NotMine;
        }
        let captures = config
            .patterns
            .iter()
            .find_map(|pattern| pattern.captures(name).map(|captures| (pattern, captures)));
        let Some((pattern, captures)) = captures else { return self.unmatched(request) };
        let mut matched = Matched {
            request,
            name,
            zone: name_text(zone),
            class: class_text(if qclass == DNSClass::ANY { config.class } else { qclass }),
            rtype: type_text(if qtype == RecordType::ANY { config.rtype } else { qtype }),
            pattern,
            captures,
            variables: Map::default(),
        };
        match self.holds(&mut matched) {
            Ok(true) => Verdict::Matched(Box::new(matched)),
            Ok(false) => self.unmatched(request),
            Err(_) => Verdict::Unanswered,
        }
    }

    /// Works the variables out, then whether all conditions are true.
    fn holds(&self, matched: &mut Matched<'_>) -> Result<bool, RunError> {
        let Config { environment, variables, conditions, .. } = &self.config;
        let mut values = Vec::with_capacity(variables.len());
        let group = |name: &str| matched.group(name);
        let host = QueryHost { request: matched.request, group: &group };
        for program in variables {
            values.push(program.run(environment, &host, &values)?);
        }
        for program in conditions {
            if program.run(environment, &host, &values)? != Value::Bool(true) {
                return Ok(false);
            }
        }
        for ((name, _), value) in environment.variables.iter().zip(values) {
            matched.variables.entries.insert(name.clone(), value.into());
        }
        Ok(true)
    }

    /// A query for this directive that its conditions are against.
    fn unmatched<'a>(&self, request: &Request) -> Verdict<'a> {
        if self.config.fallthrough.covers(request.qname()) {
            Verdict::NotMine
        } else {
            Verdict::Unanswered
        }
    }
}

impl Templates {
    async fn answer(
        &self,
        instance: &Instance,
        matched: &Matched<'_>,
    ) -> Result<Reply, ServeError> {
        let config = &instance.config;
        let request = matched.request;
        let labels = labels(matched);
        let matches = self.metrics.matches.with(&labels);
        if config.rcode == ResponseCode::ServFail {
            matches.inc();
            return Err(ServeError::rcode_only(config.rcode));
        }
        let mut reply = request.reply_with(config.rcode);
        reply.metadata.authoritative = true;
        let mut replay = if instance.is_pure && self.is_pure {
            Replay::while_unchanged([])
        } else {
            Replay::Never
        };
        let made = self.sections(config, matched, &labels);
        if made.is_err() {
            matches.inc();
        }
        let [answers, additionals, authorities] = made?;
        let is_address = matches!(request.qtype(), RecordType::A | RecordType::AAAA);
        for record in answers {
            let target = match &record.data {
                RData::CNAME(target) if is_address => Some(target.0.clone()),
                _ => None,
            };
            reply.add_answer(record);
            if let Some(target) = target
                && let Ok(found) = request.lookup(target, request.qtype()).await
                && let Some(message) = found.into_message()
            {
                reply.metadata.truncation = message.metadata.truncation;
                reply.answers.extend(message.answers);
                // What is found is other plugins' business, and so is how long it stays.
                replay = Replay::Never;
            }
        }
        reply.additionals = additionals;
        reply.authorities = authorities;
        if let Some(ede) = &config.ede {
            set_ede(&mut reply, ede);
        }
        let mut reply = Reply::from(reply).replay_while(replay);
        reply.count(&matches);
        Ok(reply)
    }

    /// The records of the sections answer, additional and authority. The first that fails ends it.
    fn sections(
        &self,
        config: &Config,
        matched: &Matched<'_>,
        labels: &[&str; 5],
    ) -> Result<[Vec<Record>; 3], ServeError> {
        let sections = [
            ("answer", &config.answers),
            ("additional", &config.additionals),
            ("authority", &config.authorities),
        ];
        let mut made = [const { Vec::new() }; 3];
        for ((section, templates), records) in sections.into_iter().zip(&mut made) {
            for template in templates {
                records.push(self.record(section, template, matched, labels)?);
            }
        }
        Ok(made)
    }

    fn record(
        &self,
        section: &str,
        template: &Template,
        matched: &Matched<'_>,
        labels: &[&str; 5],
    ) -> Result<Record, ServeError> {
        let [server, zone, view, class, rtype] = *labels;
        let failed = |failures: &CounterVec| {
            let written = template.to_string();
            failures.with(&[server, zone, view, class, rtype, section, &written]).inc();
            written
        };
        let text = template.fill_in(matched).map_err(|source| {
            let template = failed(&self.metrics.template_failures);
            ServeError::failed(Failure::FillIn { template, source })
        })?;
        record::parse(&text).map_err(|source| {
            failed(&self.metrics.rr_failures);
            ServeError::failed(Failure::Record { text: text.clone(), source })
        })
    }
}

/// Why a template makes no record.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot fill in the template `{template}`: {source}")]
    FillIn { template: String, source: EvalError },
    #[error("`{text}` is not a record: {source}")]
    Record { text: String, source: record::RecordError },
}

fn labels<'a>(matched: &'a Matched<'_>) -> [&'a str; 5] {
    let request = matched.request;
    [&request.server().label, &matched.zone, request.view(), &matched.class, &matched.rtype]
}

/// An OPT record with the extended error. CoreDNS sends it to clients without EDNS as well.
fn set_ede(reply: &mut Message, ede: &Ede) {
    let mut edns = Edns::new();
    edns.set_max_payload(EDE_PAYLOAD_SIZE);
    edns.set_dnssec_ok(true);
    // RFC 8914 §2: the code, then the text.
    let option = [&ede.code.to_be_bytes(), ede.text.as_bytes()].concat();
    edns.options_mut().insert(EdnsOption::Unknown(EDE_OPTION, option));
    reply.set_edns(edns);
}

/// RFC 8914 §2.
const EDE_OPTION: u16 = 15;
/// What clients without EDNS read in the OPT record; others read their own size.
const EDE_PAYLOAD_SIZE: u16 = 4096;
