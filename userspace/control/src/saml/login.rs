//! A login's way to the provider and back.

use ::saml::{Expected, metadata, request, verify};
pub use ::saml::{Keys, Party};

use super::{Failed, Settings};
use crate::flows::{Arrival, Begun, Departure, Flow, Flows};
use crate::person::{Person, Protocol, shown};

/// The provider, and the logins on their way.
pub(crate) struct Saml {
    settings: Settings,
    flows: Flows,
}

impl Saml {
    pub(crate) fn new(settings: Settings) -> Saml {
        Saml { settings, flows: Flows::default() }
    }

    /// The provider, for people.
    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Who we are, for the provider.
    pub(crate) fn metadata(&self) -> Option<String> {
        metadata(&self.settings.party)
    }

    /// Where the browser goes to log in. With `max_age_s` the person must prove anew who it is.
    pub(crate) fn begin(
        &self,
        max_age_s: Option<u64>,
        approval: Option<String>,
        now_s: u64,
    ) -> Result<Departure, Failed> {
        let Begun { state, browser, flow } =
            self.flows.begin(max_age_s, approval, now_s).ok_or(Failed::NoRandomness)?;
        let Settings { party, sso, .. } = &self.settings;
        let ids = (&*request_id(&flow), &*state);
        let location = request(party, sso, ids, max_age_s.is_some(), now_s).ok_or(Failed::NoRandomness)?;
        Ok(Departure { location, browser })
    }

    /// The provider's answer to the login of this state, once: the login knows its person from here on, and no session is open yet.
    pub(crate) fn answered(&self, state: &str, response: &str, now_s: u64) -> Result<(), Failed> {
        let flow = self.flows.unanswered(state, now_s).ok_or(Failed::Unknown)?;
        let Settings { issuer, party, keys, .. } = &self.settings;
        let expected = Expected {
            issuer,
            audience: party.entity_id(),
            recipient: party.acs(),
            request: &request_id(&flow),
            max_age_s: flow.max_age_s,
            now_s,
        };
        let assertion = verify(response, keys, &expected).map_err(|why| Failed::Refused(why.to_string()))?;
        let person = self.person(&assertion)?;
        if self.flows.answer(state, person) { Ok(()) } else { Err(Failed::Unknown) }
    }

    fn person(&self, assertion: &::saml::Assertion) -> Result<Person, Failed> {
        let Settings { subject_attribute, groups_attribute, groups: known, .. } = &self.settings;
        let subject =
            assertion.subject(subject_attribute.as_deref()).map_err(|why| Failed::Refused(why.to_string()))?;
        let told: Vec<&str> = assertion.values(groups_attribute).collect();
        let groups: Vec<String> = known.iter().filter(|known| told.contains(&known.as_str())).cloned().collect();
        if groups.is_empty() {
            return Err(Failed::Stranger);
        }
        Ok(Person {
            by: Protocol::Saml,
            subject: subject.to_owned(),
            shown: assertion.shown().map(shown),
            groups,
            proved_s: Some(assertion.proved_s),
            session: None,
            until_s: assertion.until_s,
        })
    }

    /// The person is back in the browser that began.
    pub(crate) fn finish(&self, state: &str, browser: &str, now_s: u64) -> Result<Arrival, Failed> {
        let flow = self.flows.end(state, browser, now_s).ok_or(Failed::Unknown)?;
        let person = flow.arrived.ok_or(Failed::Unknown)?;
        Ok(Arrival { person, approval: flow.approval })
    }
}

/// An XML name begins with no digit.
fn request_id(flow: &Flow) -> String {
    format!("_{}", flow.nonce)
}
