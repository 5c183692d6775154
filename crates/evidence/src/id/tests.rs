//! What is a name and what is not, and what follows from one.

use proptest::prelude::*;

use super::*;

fn refused<T: FromStr<Err = IdError> + fmt::Debug>(texts: &[&str]) {
    for text in texts {
        assert!(
            text.parse::<T>().is_err(),
            "`{text}` was taken for a {}",
            std::any::type_name::<T>()
        );
    }
}

fn taken<T: FromStr<Err = IdError> + fmt::Display>(texts: &[&str]) {
    for text in texts {
        assert_eq!(text.parse::<T>().map(|id| id.to_string()), Ok((*text).to_owned()));
    }
}

#[test]
fn slugs_are_lower_case_letters_digits_and_hyphens() {
    let longest = "a".repeat(MAX_NAME_BYTES);
    taken::<PartnerId>(&["a", "0", "federal-agency", "a-", "2019", &longest]);
    let too_long = "a".repeat(MAX_NAME_BYTES + 1);
    refused::<PartnerId>(&[
        "", "-a", "A", "a_b", "a.b", "a b", " a", "a\n", "a/b", "ä", "а", "a\0", &too_long,
    ]);
    refused::<AgreementId>(&["", "State-Police", "a_b"]);
    refused::<PurposeId>(&["", "x+y"]);
    refused::<DatasetId>(&["", "public.people"]);
}

#[test]
fn officers_may_have_dots_and_underscores() {
    taken::<OfficerId>(&["j.doe", "j_doe", "7of9", "a..b"]);
    refused::<OfficerId>(&["", ".a", "_a", "-a", "j@doe", "J.Doe", "j+doe"]);
}

#[test]
fn a_directive_number_has_one_spelling() {
    taken::<DirectiveNumber>(&[
        "D-2026-0001",
        "D-2026-9999",
        "D-2026-10000",
        "D-0000-0000",
        "D-2026-999999999",
    ]);
    refused::<DirectiveNumber>(&[
        "",
        "D-2026",
        "D-2026-",
        "D-2026-1",
        "D-2026-00001",
        "d-2026-0001",
        "D-26-0001",
        "D-20260-0001",
        "D-2026-0001-",
        "D-2026-+001",
        "D-2026-000１",
        "D-2026-1000000000",
        " D-2026-0001",
    ]);
    assert_eq!(DirectiveNumber::new(2026, 1).unwrap().as_str(), "D-2026-0001");
    assert_eq!(
        DirectiveNumber::new(2026, 12_345).unwrap().as_str(),
        "D-2026-12345"
    );
    assert!(DirectiveNumber::new(10_000, 1).is_err());
    assert!(DirectiveNumber::new(2026, 1_000_000_000).is_err());
}

#[test]
fn a_session_id_is_sixteen_lower_case_hexadecimal_digits() {
    taken::<SessionId>(&["0123456789abcdef"]);
    refused::<SessionId>(&[
        "",
        "0123456789abcde",
        "0123456789abcdef0",
        "0123456789ABCDEF",
        "0123456789abcdeg",
    ]);
    assert_eq!(SessionId::from(0x00ff).as_str(), "00000000000000ff");
}

#[test]
fn a_custodian_is_a_dns_name() {
    let longest = format!("{}.{}", "a".repeat(50), "b".repeat(MAX_CUSTODIAN_BYTES - 51));
    taken::<Custodian>(&["records.example.org", "a.b", "1.example", &longest]);
    let too_long = format!("{longest}b");
    refused::<Custodian>(&[
        "", "records", ".a", "a.", "a..b", "a-.b", "-a.b", "A.b", "a.b/c", "a_b.c", "a b.c", "a+b.c",
        &too_long,
    ]);
}

#[test]
fn an_origin_is_printable_without_space_or_plus() {
    let longest = "o".repeat(MAX_ORIGIN_BYTES);
    taken::<Origin>(&["example.com/log", "PeterNeumann", &longest]);
    refused::<Origin>(&[
        "",
        "a b",
        "a+b",
        "a\u{a0}b",
        "ä",
        "a\n",
        "a\u{7f}",
        &"o".repeat(MAX_ORIGIN_BYTES + 1),
    ]);
}

#[test]
fn origins_follow_from_the_custodian() {
    let custodian: Custodian = "records.example.org".parse().unwrap();
    let partner: PartnerId = "federal-agency".parse().unwrap();
    assert_eq!(custodian.main_origin().as_str(), "records.example.org/audit");
    assert_eq!(
        custodian.partner_origin(&partner).as_str(),
        "records.example.org/p/federal-agency"
    );
    assert_eq!(custodian.key_name().as_str(), "records.example.org");
}

#[test]
fn the_longest_names_still_make_origins() {
    let custodian: Custodian = format!("{}.{}", "a".repeat(50), "b".repeat(MAX_CUSTODIAN_BYTES - 51))
        .parse()
        .unwrap();
    let partner: PartnerId = "p".repeat(MAX_NAME_BYTES).parse().unwrap();
    for origin in [
        custodian.main_origin(),
        custodian.partner_origin(&partner),
        custodian.key_name(),
    ] {
        assert_eq!(origin.as_str().parse(), Ok(origin));
    }
}

#[test]
fn serde_reads_only_what_parsing_reads() {
    assert_eq!(
        serde_json::from_str::<PartnerId>("\"a-b\"").unwrap().as_str(),
        "a-b"
    );
    assert!(serde_json::from_str::<PartnerId>("\"A\"").is_err());
    assert!(serde_json::from_str::<PartnerId>("1").is_err());
    assert_eq!(
        serde_json::to_string(&"a-b".parse::<PartnerId>().unwrap()).unwrap(),
        "\"a-b\""
    );
    assert_eq!(serde_json::to_string(&Epoch(7)).unwrap(), "7");
}

#[test]
fn an_error_shows_the_input_escaped_and_cut() {
    let text = PartnerId::from_str("\u{1b}[2J").unwrap_err().to_string();
    assert!(text.starts_with("`\\u{1b}[2J` is not a partner's id: "), "{text}");
    assert!(
        PartnerId::from_str(&"x".repeat(1 << 20))
            .unwrap_err()
            .to_string()
            .len()
            < 300
    );
}

#[test]
fn the_last_epoch_has_no_next() {
    assert_eq!(Epoch(1).next(), Some(Epoch(2)));
    assert_eq!(Epoch(u64::MAX).next(), None);
}

proptest! {
    #[test]
    fn what_parses_is_written_as_it_was(text in "[a-zA-Z0-9._+/ D-]{0,70}|\\PC{0,10}") {
        if let Ok(id) = text.parse::<PartnerId>() { prop_assert_eq!(id.as_str(), &text) }
        if let Ok(id) = text.parse::<OfficerId>() { prop_assert_eq!(id.as_str(), &text) }
        if let Ok(id) = text.parse::<DirectiveNumber>() { prop_assert_eq!(id.as_str(), &text) }
        if let Ok(id) = text.parse::<Custodian>() { prop_assert_eq!(id.as_str(), &text) }
        if let Ok(id) = text.parse::<Origin>() { prop_assert_eq!(id.as_str(), &text) }
    }

    #[test]
    fn every_session_number_is_a_session_id(bits: u64) {
        let id = SessionId::from(bits);
        prop_assert_eq!(id.as_str().parse::<SessionId>(), Ok(id));
    }

    #[test]
    fn every_directive_number_that_can_be_made_can_be_read(year in 0_u16..10_000, count in 0_u64..1_000_000_000) {
        let number = DirectiveNumber::new(year, count).unwrap();
        prop_assert_eq!(number.as_str().parse::<DirectiveNumber>(), Ok(number));
    }
}
