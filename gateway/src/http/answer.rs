//! What all answers have in common.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::time::timeout;

use super::Site;
use super::counts::Counts;
use super::host::Names;
use super::routes::{ROUTES, Respond};

/// How long making an answer may take.
const MAKING: Duration = Duration::from_secs(5);

/// Text for people.
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

/// What browsers must not do with anything from here: load what is not from here, run what is in a page, show it in a
/// frame of another one, guess what it is, keep it, or tell others that it was read.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
];

/// An answer, before it gets the headers that all have.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

impl Answer {
    /// All is well.
    pub(super) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Answer {
            status: StatusCode::OK,
            content_type,
            body: body.into(),
        }
    }

    /// A word to people.
    pub(super) fn plain(status: StatusCode, text: impl Into<String>) -> Self {
        Answer {
            status,
            content_type: PLAIN,
            body: text.into().into(),
        }
    }
}

/// Answers requests.
#[derive(Debug)]
pub(super) struct Answerer {
    site: Arc<Site>,
    names: RwLock<Names>,
}

impl Answerer {
    pub(super) fn new(site: Arc<Site>, names: Names) -> Self {
        Answerer {
            site,
            names: RwLock::new(names),
        }
    }

    /// It may be asked by these names from now on.
    pub(super) fn rename(&self, names: Names) {
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.site.counts
    }

    /// The answer to one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let has_body = !request.body().is_end_stream();
        let answer = match self.refuse(&request) {
            Some(refusal) => refusal,
            None => self.make(&request).await,
        };
        self.counts().answered(answer.status);
        let mut response = Response::new(Full::new(answer.body));
        *response.status_mut() = answer.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(answer.content_type),
        );
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if answer.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if has_body {
            // What is not read would be taken for the next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Why this is not answered, if it is not.
    fn refuse(&self, request: &Request<Incoming>) -> Option<Answer> {
        let refusal = |status, text: &str| Some(Answer::plain(status, format!("{text}\n")));
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "only GET and HEAD: nothing can be changed here",
            );
        }
        if !request.body().is_end_stream() {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "a request has no body here");
        }
        if !self.is_for_us(request) {
            return refusal(
                StatusCode::FORBIDDEN,
                "not by this host name: use the address or localhost, or add the name to `hosts` of [metrics]",
            );
        }
        None
    }

    /// Whether it names us as its host. Only HTTP 1.0 need not name any.
    fn is_for_us(&self, request: &Request<Incoming>) -> bool {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let by_header = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().is_ok_and(|host| names.admit(host)),
            (None, _) => request.version() == Version::HTTP_10,
            (Some(_), Some(_)) => false,
        };
        let by_target = request
            .uri()
            .authority()
            .is_none_or(|host| names.admit(host.as_str()));
        by_header && by_target
    }

    async fn make(&self, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path();
        let Some(route) = ROUTES
            .iter()
            .flat_map(|routes| routes.iter())
            .find(|route| route.path == path)
        else {
            return Answer::plain(StatusCode::NOT_FOUND, "there is nothing here\n");
        };
        match route.respond {
            Respond::Fixed(content_type, body) => Answer::ok(content_type, Bytes::from_static(body)),
            Respond::Made(make) => {
                let query = request.uri().query().unwrap_or_default().to_owned();
                match timeout(MAKING, make(self.site.clone(), query)).await {
                    Ok(answer) => answer,
                    Err(_) => Answer::plain(
                        StatusCode::SERVICE_UNAVAILABLE,
                        format!("no answer within {} s\n", MAKING.as_secs()),
                    ),
                }
            }
        }
    }
}
