//! A build without SAML: nothing of it can be made, so nothing of it can be asked.

use super::{Failed, Settings};
use crate::flows::{Arrival, Departure};

/// There are none.
#[derive(Debug, Clone)]
pub enum Keys {}

impl Keys {
    /// Says so.
    pub fn parse(_pem: &[u8]) -> Result<Keys, &'static str> {
        Err("this build has no SAML (cargo feature `saml`)")
    }
}

/// There is none.
#[derive(Debug, Clone)]
pub enum Party {}

impl Party {
    pub(super) fn new(_entity_id: &str, _acs: &str) -> Option<Party> {
        None
    }

    /// Nobody's.
    pub fn entity_id(&self) -> &str {
        match *self {}
    }

    /// Nobody's.
    pub fn acs(&self) -> &str {
        match *self {}
    }
}

/// There is none.
pub(crate) struct Saml(Keys);

impl Saml {
    pub(crate) fn new(settings: Settings) -> Saml {
        Saml(settings.keys)
    }

    pub(crate) fn issuer(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn metadata(&self) -> Option<String> {
        match self.0 {}
    }

    pub(crate) fn begin(&self, _: Option<u64>, _: Option<String>, _: u64) -> Result<Departure, Failed> {
        match self.0 {}
    }

    pub(crate) fn answered(&self, _: &str, _: &str, _: u64) -> Result<(), Failed> {
        match self.0 {}
    }

    pub(crate) fn finish(&self, _: &str, _: &str, _: u64) -> Result<Arrival, Failed> {
        match self.0 {}
    }
}
