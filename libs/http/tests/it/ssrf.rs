//! URLs that mean a place which nobody may call, in every disguise. Whoever reads them - the data plane's client, the
//! control plane's, or the check before a call - must refuse, without a connection.

use std::time::Duration;

use futures_util::future::join_all;
use maas_http::{
    AddressGuard, ConnectError, ControlOptions, UpstreamError, UpstreamOptions, check_url, control_client,
};

use crate::world::{client, get};

/// The part after `http://`. Loopback is not allowed here.
const HOSTS: &[&str] = &[
    // Metadata services by address, and their companions.
    "169.254.169.254/latest/meta-data/",
    "169.254.169.254:80/",
    "169.254.169.254:8080/",
    "169.254.170.2/v2/credentials",
    "169.254.170.23/v1/credentials",
    "169.254.169.253/",
    "169.254.169.123/",
    "169.254.0.23/",
    "169.254.42.42/",
    "168.63.129.16/machine",
    "100.100.100.200/latest/",
    "192.0.0.192/latest/",
    "[fd00:ec2::254]/latest/",
    "[fd00:ec2::23]/v1/credentials",
    "[FD00:0EC2:0:0:0:0:0:254]/",
    "[fd20:ce::254]/computeMetadata/",
    "[fd00:a9fe:a9fe::1]/",
    "[fd00:42::42]/",
    "[fe80::a9fe:a9fe]/",
    // Other ways to write IPv4.
    "2852039166/",
    "0xA9FEA9FE/",
    "0XA9FEA9FE/",
    "025177524776/",
    "0xa9.0xfe.0xa9.0xfe/",
    "0251.0376.0251.0376/",
    "0251.254.0xa9.254/",
    "169.254.43518/",
    "169.16689662/",
    "0x00000000a9fea9fe/",
    "2130706433/",
    "0x7f000001/",
    "017700000001/",
    "127.1/",
    "127.0.1/",
    "0x7f.1/",
    "0177.0.0.1/",
    "127.000.000.001/",
    "127.0.0.1./",
    "169.254.169.254./",
    "0/",
    "0.0.0.0/",
    "0.0.0.1/",
    // IPv4 inside IPv6.
    "[::ffff:169.254.169.254]/",
    "[::ffff:a9fe:a9fe]/",
    "[::FFFF:A9FE:A9FE]/",
    "[0:0:0:0:0:ffff:169.254.169.254]/",
    "[::169.254.169.254]/",
    "[::ffff:0:169.254.169.254]/",
    "[64:ff9b::169.254.169.254]/",
    "[64:ff9b:1::169.254.169.254]/",
    "[2002:a9fe:a9fe::]/",
    "[2002:7f00:1::]/",
    "[2001:0:4136:e378:8000:63bf:5601:5601]/",
    "[2606:4700::5efe:169.254.169.254]/",
    "[2606:4700::200:5efe:7f00:1]/",
    "[fe80::5efe:169.254.169.254]/",
    "[::ffff:127.0.0.1]/",
    "[::127.0.0.1]/",
    // This machine, by address and by name.
    "127.0.0.1/",
    "127.255.255.254/",
    "[::1]/",
    "[0:0:0:0:0:0:0:1]/",
    "[0000::0001]:80/",
    "[::]/",
    "localhost/",
    "LOCALHOST/",
    "LocalHost:80/",
    "localhost./",
    "%6c%6fcalhost/",
    // Not one machine, or nobody's.
    "169.254.1.1/",
    "[fe80::1]/",
    "[febf::1]/",
    "[fe80::1%25eth0]/",
    "[fe80::1%eth0]/",
    "224.0.0.1/",
    "239.255.255.250/",
    "[ff02::1]/",
    "240.0.0.1/",
    "255.255.255.255/",
    "192.0.2.1/",
    "198.51.100.1/",
    "203.0.113.1/",
    "198.18.0.1/",
    "192.0.0.8/",
    "192.88.99.1/",
    "[2001:db8::1]/",
    "[2001:2::1]/",
    "[100::1]/",
    // What readers of URLs disagree about.
    "good.example@169.254.169.254/",
    "good.example:80@169.254.169.254/",
    "good.example%40169.254.169.254/",
    "169.254.169.254#@good.invalid/",
    "169.254.169.254?@good.invalid/",
    "169.254.169.254\\@good.invalid/",
    "good.invalid\\@169.254.169.254/",
    "\\\\169.254.169.254/",
    "/169.254.169.254/",
    "169.254.169.254%00.good.invalid/",
    "169.254.169.254%2f.good.invalid/",
    "169.254.\t169.254/",
    "169.254.\n169.254/",
    " 169.254.169.254/",
    "169。254。169。254/",
    "169．254．169．254/",
    "①⑥⑨.②⑤④.①⑥⑨.②⑤④/",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "[::ffff:169。254。169。254]/",
    "169.254.169.254:/",
    "169.254.169.254:00080/",
    "169.254.169.254:65616/",
    "[169.254.169.254]/",
    "[::1/",
    "",
];

#[test]
fn there_are_enough_of_them() {
    assert!(HOSTS.len() >= 60, "{}", HOSTS.len());
}

#[tokio::test]
async fn the_data_planes_client_calls_none_of_them() {
    let client = client(UpstreamOptions { connect_timeout: Duration::from_secs(60), ..UpstreamOptions::default() });
    let calls = HOSTS.iter().map(async |host| {
        // What is no URI cannot become a request.
        let request = http::Request::get(format!("http://{host}")).body(()).ok()?;
        Some(client.send(get(request.uri().to_string())).await.map(drop))
    });
    for (host, called) in HOSTS.iter().zip(join_all(calls).await) {
        let is_refused = match &called {
            None => true,
            Some(Err(UpstreamError::Blocked(_) | UpstreamError::Resolve(_))) => true,
            Some(Err(UpstreamError::Connect(ConnectError::Url))) => true,
            // The HTTP library itself wants a host.
            Some(Err(error)) => error.is_before_request() && format!("{error:?}").contains("UriAbsolute"),
            Some(Ok(())) => false,
        };
        assert!(is_refused, "http://{host}: {called:?}");
    }
}

#[tokio::test]
async fn the_control_planes_client_calls_none_of_them() {
    let guard = AddressGuard::default();
    let client = control_client(&ControlOptions::default()).unwrap();
    let calls = HOSTS.iter().map(async |host| {
        let url: reqwest::Url = format!("http://{host}").parse().ok()?;
        check_url(&guard, &url).ok()?;
        Some(client.get(url).send().await.map(drop))
    });
    for (host, called) in HOSTS.iter().zip(join_all(calls).await) {
        let text = format!("{called:?}");
        let is_refused = called.is_none() || text.contains("BlockedAddress") || text.contains("Resolve");
        assert!(is_refused, "http://{host}: {text}");
    }
}

/// The names exist only here: they are the machine's own.
#[tokio::test]
async fn names_of_this_machine_are_judged_by_their_addresses() {
    let allowing = UpstreamOptions { guard: AddressGuard::with_loopback(), ..UpstreamOptions::default() };
    for (options, is_blocked) in [(UpstreamOptions::default(), true), (allowing, false)] {
        // Port 1: nobody listens, so that only the guard tells the two apart.
        let error = client(options).send(get("http://localhost:1/".to_owned())).await.unwrap_err();
        assert_eq!(matches!(error, UpstreamError::Blocked(_)), is_blocked, "{error:?}");
    }
}
