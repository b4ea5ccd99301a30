//! What we say to the provider: a request for a login, in the address that leads there, and who we are.

use chrono::{DateTime, Utc};
use samael::metadata::{EntityDescriptor, HTTP_POST_BINDING, IndexedEndpoint, SpSsoDescriptor};
use samael::schema::{AuthnRequest, Issuer};
use samael::traits::ToXml as _;

use crate::PROTOCOL;

/// Us, as the provider knows us.
#[derive(Clone, Debug)]
pub struct Party {
    entity_id: String,
    acs: String,
}

impl Party {
    /// Of our entity id and of where answers come in, by POST. `None`: one of them has a character that needs an escape in XML, or none of
    /// ASCII; samael 0.0.22 writes the issuer of a request as it is.
    pub fn new(entity_id: &str, acs: &str) -> Option<Party> {
        let fits =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"<>&\"'".contains(&b));
        (fits(entity_id) && fits(acs)).then(|| Party { entity_id: entity_id.to_owned(), acs: acs.to_owned() })
    }

    /// Our entity id.
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// Where answers come in.
    pub fn acs(&self) -> &str {
        &self.acs
    }
}

/// Where the browser goes to log in at `sso` (saml-bindings-2.0-os, 3.4): with this id and this name of the login, asked anew or not. `None`: `sso` is no address.
pub fn request(party: &Party, sso: &str, (id, relay): (&str, &str), anew: bool, now_s: u64) -> Option<String> {
    let request = AuthnRequest {
        id: id.to_owned(),
        version: "2.0".to_owned(),
        issue_instant: instant(now_s)?,
        destination: Some(sso.to_owned()),
        issuer: Some(Issuer { value: Some(party.entity_id.clone()), ..Issuer::default() }),
        force_authn: anew.then_some(true),
        assertion_consumer_service_url: Some(party.acs.clone()),
        protocol_binding: Some(HTTP_POST_BINDING.to_owned()),
        ..AuthnRequest::default()
    };
    request.redirect(relay).ok()?.map(String::from)
}

/// What the provider may want to know of us (saml-metadata-2.0-os). We sign nothing and decrypt nothing, so there is no key in it. `None` never: it cannot be written.
pub fn metadata(party: &Party) -> Option<String> {
    let place = IndexedEndpoint {
        binding: HTTP_POST_BINDING.to_owned(),
        location: party.acs.clone(),
        is_default: Some(true),
        ..IndexedEndpoint::default()
    };
    let ours = SpSsoDescriptor {
        protocol_support_enumeration: Some(PROTOCOL.to_owned()),
        authn_requests_signed: Some(false),
        want_assertions_signed: Some(true),
        assertion_consumer_services: vec![place],
        ..SpSsoDescriptor::default()
    };
    let entity = EntityDescriptor {
        entity_id: Some(party.entity_id.clone()),
        sp_sso_descriptors: Some(vec![ours]),
        ..EntityDescriptor::default()
    };
    entity.to_string().ok()
}

fn instant(now_s: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(now_s).ok()?, 0)
}
