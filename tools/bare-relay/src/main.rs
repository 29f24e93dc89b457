//! `maas-bare-relay --listen ADDRESS --upstream URL`: the proxy's own HTTP stack (server, client, allocator, one client per
//! worker) with nothing in between: no key, no rights, no usage, no look at the bytes.
//!
//! For benchmarks only: what the proxy costs more than this is what keys, rights and metering cost. It binds to loopback
//! addresses alone, since it lets everything through.
#![forbid(unsafe_code)]

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    body::{BodySize, MessageBody},
    web,
};
use anyhow::Context as _;
use bytes::Bytes;
use clap::Parser;
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use maas_http::{AddressGuard, UpstreamClient, UpstreamClientFactory, UpstreamOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As much as any request of a benchmark has.
const MOST_BODY_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Parser)]
struct Arguments {
    /// A loopback address.
    #[arg(long)]
    listen: SocketAddr,
    /// Scheme and authority; the path of each request is appended.
    #[arg(long)]
    upstream: String,
}

struct Relay {
    client: UpstreamClient,
    upstream: String,
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { listen, upstream } = Arguments::parse();
    anyhow::ensure!(listen.ip().is_loopback(), "it lets everything through, so it listens on loopback addresses only");
    // The first one in the process counts; there is no other.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let guard = AddressGuard::with_loopback();
    let factory = UpstreamClientFactory::new(&UpstreamOptions { guard, ..UpstreamOptions::default() })?;
    let server = HttpServer::new(move || {
        let relay = Relay { client: factory.client(), upstream: upstream.clone() };
        App::new()
            .app_data(web::PayloadConfig::new(MOST_BODY_BYTES))
            .app_data(web::Data::new(relay))
            .default_service(web::to(pass_on))
    });
    let server =
        server.workers(1).tcp_nodelay(true).bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    server.run().await?;
    Ok(())
}

async fn pass_on(relay: web::Data<Relay>, head: HttpRequest, body: Bytes) -> HttpResponse {
    let Ok(uri) = format!("{}{}", relay.upstream, head.path()).parse::<Uri>() else {
        return HttpResponse::BadRequest().finish();
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    request.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    let Ok(response) = relay.client.send(request).await else { return HttpResponse::BadGateway().finish() };
    let mut answer = HttpResponse::Ok();
    if let Some(content_type) = response.headers().get("content-type") {
        answer.insert_header(("content-type", content_type.as_bytes()));
    }
    answer.body(Passed(response.into_body()))
}

struct Passed(Incoming);

impl MessageBody for Passed {
    type Error = hyper::Error;

    fn size(&self) -> BodySize {
        self.0.size_hint().exact().map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let body = &mut self.get_mut().0;
        loop {
            return match Pin::new(&mut *body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(_) => continue,
                },
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            };
        }
    }
}
