//! Records: what is written is read back, and nothing else is taken for one.

use proptest::prelude::*;

use crate::log::record::{
    BlankSectors, Defect, Kind, Place, RECORD_ALIGN_BYTES, SECTOR_BYTES, blank_sectors, decode, encode, fill_checksums,
    mark_candidates, record_bytes,
};

const PLACE: Place = Place { salt: 77, position: 4096 };

fn one(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, Kind::Entry, 9, 3, payload);
    fill_checksums(&mut bytes, PLACE.salt, PLACE.position);
    bytes
}

proptest! {
    #[test]
    fn a_record_is_read_back(payload in prop::collection::vec(any::<u8>(), 0..2000), rest in prop::collection::vec(any::<u8>(), 0..50)) {
        let mut bytes = one(&payload);
        prop_assert_eq!(bytes.len(), record_bytes(payload.len()));
        prop_assert_eq!(bytes.len() % RECORD_ALIGN_BYTES, 0);
        bytes.extend(&rest);
        let (record, size) = decode(&bytes, PLACE).expect("valid");
        prop_assert_eq!(size, record_bytes(payload.len()));
        prop_assert_eq!((record.kind, record.index, record.term, record.payload), (Kind::Entry, 9, 3, payload.as_slice()));
    }

    #[test]
    fn a_flipped_bit_makes_it_invalid(payload in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let mut bytes = one(&payload);
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode(&bytes, PLACE).is_err());
    }

    #[test]
    fn elsewhere_it_is_no_record(payload in prop::collection::vec(any::<u8>(), 0..300), position in 0..100u64, salt in 0..3u64) {
        let place = Place { salt: 76 + salt, position: 4096 + position * 8 };
        prop_assume!(place != PLACE);
        prop_assert!(matches!(decode(&one(&payload), place), Err(Defect::Invalid(_))));
    }

    #[test]
    fn random_bytes_are_never_a_record(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(decode(&bytes, PLACE).is_err());
    }

    #[test]
    fn blank_sectors_are_counted_alike_in_pieces(
        blanks in prop::collection::vec((any::<bool>(), 1..1500usize), 1..8),
        offset in 0..2000u64,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let bytes: Vec<u8> = blanks.iter().flat_map(|(blank, length)| vec![u8::from(!*blank); *length]).collect();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        ends.extend([0, bytes.len()]);
        ends.sort_unstable();
        let mut pieces = BlankSectors::new(offset);
        ends.windows(2).for_each(|ends| pieces.add(&bytes[ends[0]..ends[1]]));
        let sector_of = |at: usize| (offset + at as u64) / SECTOR_BYTES as u64;
        let mut sectors = std::collections::BTreeMap::new();
        bytes.iter().enumerate().for_each(|(at, byte)| *sectors.entry(sector_of(at)).or_insert(true) &= *byte == 0);
        let expected = sectors.values().filter(|blank| **blank).count() as u64;
        prop_assert_eq!(pieces.count(), expected);
        prop_assert_eq!(blank_sectors(&bytes, offset), expected);
    }
}

#[test]
fn zeros_are_blank_and_a_beginning_is_short() {
    assert_eq!(decode(&[0; 100], PLACE), Err(Defect::Blank));
    assert_eq!(decode(&[], PLACE), Err(Defect::Blank));
    let whole = one(&[1; 100]);
    assert_eq!(decode(&whole[..50], PLACE), Err(Defect::Short { needed: whole.len() }));
    assert!(matches!(decode(&whole[..20], PLACE), Err(Defect::Short { .. })));
}

#[test]
fn marks_are_found_among_other_records() {
    let mut bytes = one(&[7; 33]);
    let at = bytes.len();
    encode(&mut bytes, Kind::Mark, 0, 0, &[]);
    bytes.extend(one(&[8; 5]));
    assert_eq!(mark_candidates(&bytes).collect::<Vec<_>>(), [at]);
}
