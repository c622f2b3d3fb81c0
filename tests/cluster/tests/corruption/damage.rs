//! Ways to damage a file.

/// The size of a page.
const PAGE: usize = 8192;

/// A way to damage a file.
pub struct Damage {
    /// What it is called in messages.
    pub name: &'static str,
    /// Does it; the second file is the same one as it was earlier.
    pub apply: fn(&mut [u8], &[u8]),
}

/// Damages that PostgreSQL can detect without checksums, or that leave no rows.
pub const PAGES: &[Damage] = &[
    Damage { name: "all zeros", apply: |file, _| file.fill(0) },
    Damage { name: "no page headers", apply: |file, _| file.chunks_mut(PAGE).for_each(|page| page[..24].fill(0xAA)) },
    Damage { name: "no rows", apply: |file, _| file.chunks_mut(PAGE).for_each(|page| page[24..].fill(0)) },
    Damage { name: "last page of zeros", apply: |file, _| last(file).fill(0) },
];

/// Damages that only checksums detect. Without them rows may contain anything: PostgreSQL itself cannot take such a row
/// apart. Half a page of an earlier time is what a power failure leaves where `full_page_writes` is off.
pub const BYTES: &[Damage] = &[
    Damage { name: "one bit", apply: |file, _| last(file)[PAGE - 20] ^= 1 },
    Damage { name: "zeros at the end", apply: |file, _| last(file)[PAGE - 200..].fill(0) },
    Damage { name: "ones at the end", apply: |file, _| last(file)[PAGE - 200..].fill(0xFF) },
    Damage { name: "bytes from elsewhere", apply: |file, _| file.copy_within(PAGE - 150..PAGE - 50, PAGE - 100) },
    Damage { name: "first halves of earlier", apply: |file, earlier| tear(file, earlier, 0) },
    Damage { name: "second halves of earlier", apply: |file, earlier| tear(file, earlier, PAGE / 2) },
];

fn last(file: &mut [u8]) -> &mut [u8] {
    let begin = file.len() - PAGE;
    &mut file[begin..]
}

fn tear(file: &mut [u8], earlier: &[u8], from: usize) {
    for (page, earlier) in file.chunks_mut(PAGE).zip(earlier.chunks(PAGE)) {
        let half = from..from + PAGE / 2;
        let mut torn = page.to_vec();
        torn[half.clone()].copy_from_slice(&earlier[half]);
        // A page that is of earlier as a whole was not torn but lost, which nothing in it tells.
        if torn != earlier {
            page.copy_from_slice(&torn);
        }
    }
}
