//! A person's browser: it keeps cookies, here and at providers, and goes where it is sent.

use std::{cell::RefCell, collections::BTreeMap};

use actix_web::{
    cookie::Cookie,
    http::{Method, StatusCode},
};
use maas_http::{AddressGuard, ControlOptions, control_client};
use reqwest::Url;

use crate::world::{As, World};

/// What the browser got.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    /// Where it is sent on to; empty if nowhere.
    pub location: String,
    pub body: String,
    /// Whole, with their attributes.
    pub cookies: Vec<Cookie<'static>>,
}

impl Page {
    /// A parameter in the address that it is sent on to.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let url = Url::parse(&self.location).ok()?;
        url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    }

    pub fn error(&self) -> String {
        self.parameter("error").unwrap_or_default()
    }
}

pub struct Browser {
    platform: RefCell<BTreeMap<String, String>>,
    /// Name and path to value; providers give cookies to single paths.
    elsewhere: RefCell<BTreeMap<(String, String), String>>,
    client: reqwest::Client,
}

impl Browser {
    pub fn new() -> Self {
        let options = ControlOptions { guard: AddressGuard::with_loopback(), ..ControlOptions::default() };
        let client = control_client(&options).unwrap();
        Self { platform: RefCell::default(), elsewhere: RefCell::default(), client }
    }

    /// A page of the platform, by its path or its whole address.
    pub async fn open(&self, world: &World, address: &str) -> Page {
        let path = address.strip_prefix(&world.public_origin).unwrap_or(address);
        let mut request = world.request(Method::GET, path, &As::Nobody);
        for (name, value) in self.platform.borrow().iter() {
            request = request.cookie(Cookie::new(name.clone(), value.clone()));
        }
        let (status, headers, body) = world.exchange(request).await;
        let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned();
        let cookies: Vec<_> = headers.get_all("set-cookie").map(|value| Cookie::parse(text(value)).unwrap()).collect();
        for cookie in &cookies {
            self.platform.borrow_mut().insert(cookie.name().to_owned(), cookie.value().to_owned());
        }
        let location = headers.get("location").map(text).unwrap_or_default();
        Page { status, location, body: String::from_utf8(body.to_vec()).unwrap(), cookies }
    }

    /// A page of a provider.
    pub async fn visit(&self, address: &str, form: Option<&[(&str, &str)]>) -> Page {
        let url = Url::parse(address).unwrap();
        let request = match form {
            None => self.client.get(url.clone()),
            Some(form) => self.client.post(url.clone()).form(form),
        };
        let answer = request.header("cookie", self.cookies_for(url.path())).send().await.unwrap();
        let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
        let headers = answer.headers().clone();
        for value in headers.get_all("set-cookie") {
            let cookie = Cookie::parse(value.to_str().unwrap().to_owned()).unwrap();
            let place = (cookie.name().to_owned(), cookie.path().unwrap_or("/").to_owned());
            self.elsewhere.borrow_mut().insert(place, cookie.value().to_owned());
        }
        let location = headers.get("location").map(|value| url.join(value.to_str().unwrap()).unwrap().to_string());
        Page { status, location: location.unwrap_or_default(), body: answer.text().await.unwrap(), cookies: Vec::new() }
    }

    /// To a provider that asks nothing, and back to the platform: the address that the provider sends the browser to.
    pub async fn go_to_provider(&self, world: &World, begin: &str) -> String {
        let begun = self.open(world, begin).await;
        assert_eq!(begun.status, 302, "{begun:?}");
        let back = self.visit(&begun.location, None).await;
        assert_eq!(back.status, 302, "{back:?}");
        back.location
    }

    /// The whole way at a provider that asks nothing.
    pub async fn sign_in(&self, world: &World, provider: &str) -> Page {
        let callback = self.go_to_provider(world, &format!("/api/v1/auth/login/{provider}")).await;
        self.open(world, &callback).await
    }

    /// The session that the browser has; good for reading.
    pub fn session(&self) -> As {
        match self.platform.borrow().get("maas_session") {
            Some(cookie) => As::Session { cookie: cookie.clone(), csrf: String::new() },
            None => As::Nobody,
        }
    }

    fn cookies_for(&self, path: &str) -> String {
        let cookies = self.elsewhere.borrow();
        let fitting =
            cookies.iter().filter(|((_, place), value)| path.starts_with(place.as_str()) && !value.is_empty());
        fitting.map(|((name, _), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}
