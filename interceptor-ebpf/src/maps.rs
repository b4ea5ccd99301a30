//! The maps and the constants of one load. Types and meaning: `interceptor_abi`.

use aya_ebpf::{
    btf_maps::{HashMap, LpmTrie, PerCpuArray, SkStorage},
    macros::btf_map,
};
use interceptor_abi::{Agent, AllowedKey, Counter, FlowKey, NAME_LEN, Origin, Rule, RuleKey, Settings, Text};

#[btf_map]
pub static RULES: LpmTrie<RuleKey, Rule, 8192> = LpmTrie::new();
#[btf_map]
pub static LOCALS: LpmTrie<[u8; 16], u32, 8192> = LpmTrie::new();
#[btf_map]
pub static LOCAL_PORTS: HashMap<u32, Rule, 1024> = HashMap::new();
#[btf_map]
pub static AGENTS: HashMap<u64, Agent, 4096> = HashMap::new();
#[btf_map]
pub static UIDS: HashMap<u32, Agent, 1024> = HashMap::new();
#[btf_map]
pub static ALLOWED: HashMap<AllowedKey, u32, 1024> = HashMap::new();
#[btf_map]
pub static DATABASES: HashMap<u32, Text<NAME_LEN>, 1024> = HashMap::new();
// Plain, not LRU: a full map must refuse, never forget a connection that is on its way. The loader sets its size.
#[btf_map]
pub static FLOWS: HashMap<FlowKey, Origin, 16384> = HashMap::new();
#[btf_map]
pub static ORIGINS: SkStorage<Origin> = SkStorage::new();
#[btf_map]
pub static COUNTERS: PerCpuArray<u64, { Counter::COUNT as usize }> = PerCpuArray::new();

/// Written by the loader before the object is loaded.
#[unsafe(no_mangle)]
pub static SETTINGS: Settings = Settings {
    netns: 0,
    port: 0,
    service_uid: 0,
    exe: interceptor_abi::ExeOffsets {
        task_mm: 0,
        mm_exe_file: 0,
        file_inode: 0,
        file_dentry: 0,
        inode_number: 0,
        inode_super: 0,
        super_device: 0,
        dentry_name: 0,
    },
};

/// One field of the settings; volatile, or the compiler would put the zeroes above in its place.
macro_rules! setting {
    ($($field:ident).+) => {
        // SAFETY: reads a field of a static.
        unsafe { core::ptr::read_volatile(&raw const $crate::maps::SETTINGS.$($field).+) }
    };
}
pub(crate) use setting;

/// Adds one to a counter of this CPU.
#[inline(always)]
pub fn count(counter: Counter) {
    if let Some(slot) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot is this CPU's own, and the verifier knows its size.
        unsafe { *slot += 1 }
    }
}
