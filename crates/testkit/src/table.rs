//! A plugin that answers from a table, to stand below the one under test.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plugin::proto::op::{Message, ResponseCode};
use plugin::proto::rr::Record;
use plugin::{Next, Plugin, Reply, Request, ServeError, async_trait};

use crate::records::records;

type Edit = Box<dyn Fn(&Request, &mut Message) + Send + Sync>;

/// Answers from zone-file lines by owner and type; NXDOMAIN with an SOA for everything else.
#[derive(Default)]
pub struct Table {
    answers: HashMap<(String, String), Vec<Record>>,
    edit: Option<Edit>,
    asked: AtomicUsize,
    fails: bool,
}

impl Table {
    /// From lines of `owner ttl IN type rdata`.
    pub fn new(text: &str) -> Self {
        let mut table = Self::default();
        for record in records(text) {
            let key = (record.name.to_lowercase().to_string(), record.record_type().to_string());
            table.answers.entry(key).or_default().push(record);
        }
        table
    }

    /// Every reply changed as `edit` says.
    #[must_use]
    pub fn edit(mut self, edit: impl Fn(&Request, &mut Message) + Send + Sync + 'static) -> Self {
        self.edit = Some(Box::new(edit));
        self
    }

    /// Fails every query with SERVFAIL.
    #[must_use]
    pub fn failing(mut self) -> Self {
        self.fails = true;
        self
    }

    /// For a chain: `("table", table.link())`.
    pub fn link(self: &Arc<Self>) -> Arc<dyn Plugin> {
        Arc::<Self>::clone(self)
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Plugin for Table {
    async fn serve(&self, request: &Request, _next: Next<'_>) -> Result<Reply, ServeError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.fails {
            return Err(ServeError::failed("the table fails on purpose"));
        }
        let key = (request.qname().to_lowercase().to_string(), request.qtype().to_string());
        let mut reply = request.reply();
        if let Some(answers) = self.answers.get(&key) {
            reply.answers.clone_from(answers);
        } else {
            reply.metadata.response_code = ResponseCode::NXDomain;
            reply.authorities = records(SOA);
        }
        if let Some(edit) = &self.edit {
            edit(request, &mut reply);
        }
        Ok(reply.into())
    }

    fn is_pure(&self) -> bool {
        true
    }
}

/// In the authority section of everything that is not in a table.
const SOA: &str = "example.org. 300 IN SOA ns.example.org. root.example.org. 1 7200 1800 86400 60";
