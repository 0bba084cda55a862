//! What a plugin returns.

use hickory_proto::op::{Message, ResponseCode};
use smallvec::SmallVec;

use crate::metrics::{Counter, Histogram};
use crate::{Ede, Epoch, Replay};

/// A reply on its way back through the chain.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    message: Option<Message>,
    /// What comes after it: the rest of a zone transfer.
    more: Vec<Message>,
    replay: Replay,
    /// What the data was made from, where a plugin on the way up has to be asked each time.
    epochs: SmallVec<[Epoch; 2]>,
    answered_by: Option<&'static str>,
    edes: SmallVec<[Ede; 1]>,
    tallies: SmallVec<[Tally; 8]>,
    is_shuffled: bool,
    udp_payload_limit: Option<u16>,
}

/// A count that was made for a reply, to be made again each time the reply is replayed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Tally {
    /// One more.
    Count(Counter),
    /// This value, once more.
    Observe(Histogram, f64),
    /// The seconds that this query took: measured anew for each replay.
    Elapsed(Histogram),
}

impl From<Message> for Reply {
    fn from(message: Message) -> Self {
        Self { message: Some(message), ..Self::default() }
    }
}

impl Reply {
    /// No reply at all: the client hears nothing.
    pub fn silence() -> Self {
        Self::default()
    }

    /// The message; `None` where the client is to hear nothing.
    pub fn message(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    /// The message, to edit it.
    pub fn message_mut(&mut self) -> Option<&mut Message> {
        self.message.as_mut()
    }

    /// The message alone.
    pub fn into_message(self) -> Option<Message> {
        self.message
    }

    /// Says which messages follow the first, in order: a zone may be longer than a message (RFC 5936
    /// §2.2). Streams alone carry them; they are sent as they are, but for the OPT record.
    #[must_use]
    pub fn followed_by(mut self, more: Vec<Message>) -> Self {
        self.more = more;
        self
    }

    /// Takes the messages that follow the first.
    pub fn take_more(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.more)
    }

    /// The RCODE; NOERROR for silence.
    pub fn rcode(&self) -> ResponseCode {
        self.message.as_ref().map_or(ResponseCode::NoError, |m| m.metadata.response_code)
    }

    /// Says how long the reply may be replayed. The default, never, is always correct.
    #[must_use]
    pub fn replay_while(mut self, replay: Replay) -> Self {
        self.replay = replay;
        self
    }

    /// How long the reply may be replayed.
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Changes how long the reply may be replayed.
    pub fn set_replay(&mut self, replay: Replay) {
        self.replay = replay;
    }

    /// The plugin that answered; set by the chain. The `plugin` label of metrics.
    pub fn answered_by(&self) -> Option<&'static str> {
        self.answered_by
    }

    /// The epochs of what the data was made from: it is out of date once one of them no longer stands,
    /// whether or not the reply may be replayed.
    pub fn epochs(&self) -> &[Epoch] {
        match &self.replay {
            Replay::While(validity) => &validity.epochs,
            Replay::Never => &self.epochs,
        }
    }

    /// Ends the replay, because a plugin that passed the reply on has to be asked each time; what the
    /// data was made from stays known.
    pub(crate) fn forbid_replay(&mut self) {
        if let Replay::While(validity) = std::mem::take(&mut self.replay) {
            self.epochs = validity.epochs;
        }
    }

    pub(crate) fn set_answered_by(&mut self, plugin: &'static str) {
        self.answered_by = Some(plugin);
    }

    /// Says that the order of its addresses and MX records is drawn for each client: a replay draws anew.
    pub fn set_shuffled(&mut self) {
        self.is_shuffled = true;
    }

    /// Whether the order of its addresses and MX records is drawn for each client.
    pub fn is_shuffled(&self) -> bool {
        self.is_shuffled
    }

    /// Says that the client gets no more over UDP than this many octets, whatever it advertised, and this
    /// size back in its OPT record. Clients without EDNS stay at 512.
    pub fn limit_udp_payload(&mut self, most: u16) {
        self.udp_payload_limit = Some(self.udp_payload_limit.map_or(most, |limit| limit.min(most)));
    }

    /// What the client gets over UDP at the most, where that is not for the client to say.
    pub fn udp_payload_limit(&self) -> Option<u16> {
        self.udp_payload_limit
    }

    /// Adds an extended DNS error; clients without EDNS do not get it.
    pub fn add_ede(&mut self, ede: Ede) {
        self.edes.push(ede);
    }

    /// The extended DNS errors.
    pub fn edes(&self) -> &[Ede] {
        &self.edes
    }

    /// Bumps a counter for this reply, now and on each replay.
    pub fn count(&mut self, counter: &Counter) {
        counter.inc();
        self.tallies.push(Tally::Count(counter.clone()));
    }

    /// Observes a value for this reply, now and on each replay.
    pub fn observe(&mut self, histogram: &Histogram, value: f64) {
        histogram.observe(value);
        self.tallies.push(Tally::Observe(histogram.clone(), value));
    }

    /// Observes the seconds that this query took; each replay observes its own.
    pub fn elapsed(&mut self, histogram: &Histogram, seconds: f64) {
        histogram.observe(seconds);
        self.tallies.push(Tally::Elapsed(histogram.clone()));
    }

    /// What was counted for this reply.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }
}
