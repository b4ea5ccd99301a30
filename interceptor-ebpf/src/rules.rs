//! Is this address protected?

use aya_ebpf::btf_maps::lpm_trie::Key;
use interceptor_abi::{RULE_PORT_BITS, Rule, RuleKey};

use crate::{
    context::Endpoint,
    maps::{LOCAL_PORTS, LOCALS, RULES},
};

const RULE_BITS: u32 = RULE_PORT_BITS + 128;

/// The rule for `to`: by its port, then by any port; and if the address is the host's own (0.0.0.0, `::`, 127.0.0.0/8
/// and all that the routing table calls local), by the rules that hold for every local address.
#[inline(always)]
pub fn find(to: &Endpoint) -> Option<&'static Rule> {
    if let Some(rule) = RULES.get(&Key::new(RULE_BITS, RuleKey::new(to.address, to.port))) {
        return Some(rule);
    }
    if let Some(rule) = RULES.get(&Key::new(RULE_BITS, RuleKey::new(to.address, 0))) {
        return Some(rule);
    }
    LOCALS.get(&Key::new(128, to.address))?;
    // SAFETY: rules are small and replaced whole; a rule that is being removed may be seen once more.
    unsafe { LOCAL_PORTS.get(u32::from(to.port)).or_else(|| LOCAL_PORTS.get(0)) }
}
