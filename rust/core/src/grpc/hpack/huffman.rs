//! The Huffman code of HPACK (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: within one length, codes grow with the symbol. So the lengths alone define it, and the
//! tables below are worked out from them at compile time.

use super::HpackError;

/// The end-of-string symbol, which must not occur.
const END: usize = 256;
const LEN_MIN: usize = 5;
const LEN_MAX: usize = 30;

#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

struct Tables {
    /// Symbols in the order of their codes.
    symbols: [u16; 257],
    /// For each length, what to subtract from a code to get its place in `symbols`.
    offsets: [u32; LEN_MAX + 1],
    /// For each length, the first code that is longer, aligned to the left of 32 bits.
    limits: [u64; LEN_MAX + 1],
}

const TABLES: Tables = {
    let mut tables = Tables { symbols: [0; 257], offsets: [0; LEN_MAX + 1], limits: [0; LEN_MAX + 1] };
    let (mut code, mut place, mut len) = (0u32, 0usize, 1usize);
    while len <= LEN_MAX {
        code <<= 1;
        tables.offsets[len] = code.wrapping_sub(place as u32);
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == len {
                tables.symbols[place] = symbol as u16;
                place += 1;
                code += 1;
            }
            symbol += 1;
        }
        tables.limits[len] = (code as u64) << (32 - len);
        len += 1;
    }
    tables
};

/// Decodes into `out`, which may be shorter than the text: the rest is checked and counted, not kept. The length of
/// the whole text.
pub(super) fn decode(input: &[u8], out: &mut [u8]) -> Result<usize, HpackError> {
    let mut bytes = input.iter();
    let (mut bits, mut bits_count, mut len) = (0u64, 0usize, 0usize);
    loop {
        while bits_count <= 56 {
            let Some(&byte) = bytes.next() else { break };
            bits |= u64::from(byte) << (56 - bits_count);
            bits_count += 8;
        }
        let window = (bits >> 32) as u32;
        let code_len = (LEN_MIN..LEN_MAX).find(|&len| u64::from(window) < TABLES.limits[len]).unwrap_or(LEN_MAX);
        if code_len > bits_count {
            // What is left is padding: fewer than 8 bits, all ones.
            let is_padding = bits_count < 8 && bits.leading_ones() as usize == bits_count;
            return if is_padding { Ok(len) } else { Err(HpackError) };
        }
        let place = (window >> (32 - code_len)).wrapping_sub(TABLES.offsets[code_len]);
        let symbol = TABLES.symbols[place as usize] as usize;
        if symbol == END {
            return Err(HpackError);
        }
        if let Some(slot) = out.get_mut(len) {
            *slot = symbol as u8;
        }
        len += 1;
        bits <<= code_len;
        bits_count -= code_len;
    }
}
