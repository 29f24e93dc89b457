#![allow(clippy::unwrap_used)]

use http::HeaderMap;

use super::*;

#[test]
fn statuses_have_classes() {
    for (status, overflow, class) in [
        (400, false, FailureClass::Client),
        (400, true, FailureClass::ContextLength),
        (413, true, FailureClass::ContextLength),
        (422, false, FailureClass::Client),
        (401, true, FailureClass::Auth),
        (403, false, FailureClass::Auth),
        (404, false, FailureClass::Refused),
        (429, false, FailureClass::RateLimited),
        (500, true, FailureClass::Failed),
        (501, false, FailureClass::Refused),
        (503, false, FailureClass::Overloaded),
        (529, false, FailureClass::Overloaded),
        (599, false, FailureClass::Failed),
        (302, false, FailureClass::BadAnswer),
        (0, false, FailureClass::BadAnswer),
    ] {
        assert_eq!(FailureClass::of_status(status, overflow), class, "{status}");
    }
}

#[test]
fn every_class_is_found_by_its_number() {
    for class in FailureClass::ALL {
        assert_eq!(FailureClass::from_number(class.number()), Some(class));
    }
    assert_eq!(FailureClass::from_number(0), None);
    assert_eq!(FailureClass::from_number(255), None);
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    };
    for (pairs, wanted) in [
        (&[("retry-after", " 2 ")][..], Some(2_000)),
        (&[("retry-after", "2"), ("retry-after-ms", "150")], Some(150)),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "99999999999999999999")], None),
        (&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], None),
        (&[], None),
    ] {
        assert_eq!(retry_after(&headers(pairs)), wanted.map(Duration::from_millis), "{pairs:?}");
    }
}
