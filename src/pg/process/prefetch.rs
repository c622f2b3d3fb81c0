//! A hint to the processor.

/// Asks the processor for the begin of a part of memory that is about to be used, so that others can be waited for
/// meanwhile.
#[inline]
pub fn prefetch<T: ?Sized>(part: &T) {
    // SAFETY: a hint, which reads nothing and cannot fault.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(std::ptr::from_ref(part).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = part;
}
