//! AVX2 and AVX-512BW.
#![allow(unsafe_code, reason = "intrinsics, and calls into code compiled for them")]

mod avx2;
mod avx512;

use crate::{
    Engine, Scan,
    balanced::run::{self, Run, Stop},
    balanced::{Pass, Text, bound, prefix},
    strict,
};

pub(super) struct Avx2;
pub(super) struct Avx512;

/// What `go_avx2` is compiled for: every processor with AVX2 has them all.
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

/// What `go_avx512` is compiled for.
pub(super) fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

pub(super) fn go_avx2(run: &mut Run<'_, '_>) -> Stop {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(run: &mut Run<'_, '_>) -> Stop {
        run::go::<Avx2>(run)
    }
    // SAFETY: the processor has these features: `Backend` is made for AVX2 only where `has_avx2` says so.
    unsafe { inner(run) }
}

pub(super) fn suspects_avx2(bytes: &[u8], from: usize) -> (usize, u64) {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(bytes: &[u8], from: usize) -> (usize, u64) {
        prefix::go::<Avx2>(bytes, from)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(bytes, from) }
}

pub(super) fn suspects_avx512(bytes: &[u8], from: usize) -> (usize, u64) {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(bytes: &[u8], from: usize) -> (usize, u64) {
        prefix::go::<Avx512>(bytes, from)
    }
    // SAFETY: as in `go_avx512`.
    unsafe { inner(bytes, from) }
}

pub(super) fn go_avx512(run: &mut Run<'_, '_>) -> Stop {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(run: &mut Run<'_, '_>) -> Stop {
        run::go::<Avx512>(run)
    }
    // SAFETY: the processor has these features: `Backend` is made for AVX-512 only where `has_avx512` says so.
    unsafe { inner(run) }
}

pub(super) fn short_avx2(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
        run::short::<Avx2>(engine, value)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(engine, value) }
}

pub(super) fn short_avx512(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(engine: &'static Engine, value: &mut [u8]) -> Option<u32> {
        run::short::<Avx512>(engine, value)
    }
    // SAFETY: as in `go_avx512`.
    unsafe { inner(engine, value) }
}

pub(super) fn rest_avx2(text: &mut Text, pass: &mut Pass<'_>) -> Option<u32> {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(text: &mut Text, pass: &mut Pass<'_>) -> Option<u32> {
        run::rest::<Avx2>(text, pass)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(text, pass) }
}

pub(super) fn rest_avx512(text: &mut Text, pass: &mut Pass<'_>) -> Option<u32> {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(text: &mut Text, pass: &mut Pass<'_>) -> Option<u32> {
        run::rest::<Avx512>(text, pass)
    }
    // SAFETY: as in `go_avx512`.
    unsafe { inner(text, pass) }
}

pub(super) fn bound_avx2(engine: &Engine, bytes: &mut [u8]) -> usize {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(engine: &Engine, bytes: &mut [u8]) -> usize {
        bound::go::<Avx2>(engine, bytes)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(engine, bytes) }
}

pub(super) fn bound_avx512(engine: &Engine, bytes: &mut [u8]) -> usize {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(engine: &Engine, bytes: &mut [u8]) -> usize {
        bound::go::<Avx512>(engine, bytes)
    }
    // SAFETY: as in `go_avx512`.
    unsafe { inner(engine, bytes) }
}

pub(super) fn strict_scan_avx2(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> Scan {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> Scan {
        text.scan_windows::<Avx2>(bytes, last)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(text, bytes, last) }
}

pub(super) fn strict_scan_avx512(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> Scan {
    #[target_feature(
        enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt"
    )]
    fn inner(text: &mut strict::Text, bytes: &mut [u8], last: bool) -> Scan {
        text.scan_windows::<Avx512>(bytes, last)
    }
    if !has_vbmi() {
        return strict_scan_avx2(text, bytes, last);
    }
    // SAFETY: as in `go_avx512`, and the two that were just asked for.
    unsafe { inner(text, bytes, last) }
}

pub(super) fn strict_bound_avx2(engine: &Engine, bytes: &mut [u8]) -> usize {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn inner(engine: &Engine, bytes: &mut [u8]) -> usize {
        strict::bound::go::<Avx2>(engine, bytes)
    }
    // SAFETY: as in `go_avx2`.
    unsafe { inner(engine, bytes) }
}

pub(super) fn strict_bound_avx512(engine: &Engine, bytes: &mut [u8]) -> usize {
    #[target_feature(
        enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt"
    )]
    fn inner(engine: &Engine, bytes: &mut [u8]) -> usize {
        strict::bound::go::<Avx512>(engine, bytes)
    }
    if !has_vbmi() {
        return strict_bound_avx2(engine, bytes);
    }
    // SAFETY: as in `strict_scan_avx512`.
    unsafe { inner(engine, bytes) }
}

/// What the strict scan uses beyond `has_avx512`: the first processors with AVX-512 lack it.
fn has_vbmi() -> bool {
    is_x86_feature_detected!("avx512vbmi") && is_x86_feature_detected!("avx512vbmi2")
}
