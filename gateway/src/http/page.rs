//! The page for people, and the two documents that it draws: how everything is, and what was.
//!
//! It is one file each of HTML, style, script and icon, and asks for nothing but what is here.

use std::sync::Arc;

use aoe_common::history::Span;
use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::task::spawn_blocking;

use super::Site;
use super::answer::Answer;
use super::routes::{Making, Respond, Route};

const JSON: &str = "application/json";

pub(super) const ROUTES: &[Route] = &[
    fixed("/", "text/html; charset=utf-8", include_bytes!("page/page.html")),
    fixed(
        "/page.css",
        "text/css; charset=utf-8",
        include_bytes!("page/page.css"),
    ),
    fixed(
        "/page.js",
        "text/javascript; charset=utf-8",
        include_bytes!("page/page.js"),
    ),
    fixed("/page.svg", "image/svg+xml", include_bytes!("page/page.svg")),
    Route {
        path: "/api/snapshot",
        respond: Respond::Made(snapshot),
    },
    Route {
        path: "/api/history",
        respond: Respond::Made(history),
    },
];

const fn fixed(path: &'static str, content_type: &'static str, body: &'static [u8]) -> Route {
    Route {
        path,
        respond: Respond::Fixed(content_type, body),
    }
}

/// The document of the observe socket.
fn snapshot(site: Arc<Site>, _: String) -> Making {
    Box::pin(async move { Answer::ok(JSON, Bytes::from_owner(site.snapshots.document().await)) })
}

/// What there is a past of; with `series` the past of one thing.
fn history(site: Arc<Site>, query: String) -> Making {
    Box::pin(async move {
        let wanted = match Wanted::parse(&query) {
            Ok(wanted) => wanted,
            Err(fault) => return Answer::plain(StatusCode::BAD_REQUEST, format!("{fault}\n")),
        };
        let told = spawn_blocking(move || {
            site.snapshots.past().tell(|past, now, unix| match wanted.series {
                None => serde_json::to_vec(&past.index(now, unix)).ok(),
                Some(id) => {
                    let columns = past.columns(id, wanted.span, wanted.after, now, unix)?;
                    serde_json::to_vec(&columns).ok()
                }
            })
        });
        match told.await {
            Ok(Some(text)) => Answer::ok(JSON, text),
            Ok(None) => Answer::plain(
                StatusCode::NOT_FOUND,
                "there is no past of this series; /api/history without `series` lists those there are\n",
            ),
            Err(_) => Answer::plain(StatusCode::INTERNAL_SERVER_ERROR, "the past cannot be told\n"),
        }
    })
}

/// What a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    series: Option<u32>,
    span: Span,
    after: Option<u64>,
}

impl Wanted {
    fn parse(query: &str) -> Result<Wanted, String> {
        let mut wanted = Wanted {
            series: None,
            span: Span::Hour,
            after: None,
        };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let fault = |what: &str| format!("`{name}` has to be {what}");
            match name {
                "series" => {
                    let number = value
                        .parse()
                        .map_err(|_| fault("the `id` of one that /api/history lists"))?;
                    wanted.series = Some(number);
                }
                "span" => {
                    wanted.span = match value {
                        "hour" => Span::Hour,
                        "day" => Span::Day,
                        _ => return Err(fault("hour or day")),
                    };
                }
                "after" => {
                    let number = value
                        .parse()
                        .map_err(|_| fault("the number of a second, or of a minute"))?;
                    wanted.after = Some(number);
                }
                _ => return Err("there are `series`, `span` and `after`, and no others".to_owned()),
            }
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_is_wanted() {
        let wanted = |series, span, after| Ok(Wanted { series, span, after });
        assert_eq!(Wanted::parse(""), wanted(None, Span::Hour, None));
        assert_eq!(
            Wanted::parse("series=7&span=day&after=0"),
            wanted(Some(7), Span::Day, Some(0))
        );
        for (query, fault) in [
            (
                "series=-1",
                "`series` has to be the `id` of one that /api/history lists",
            ),
            (
                "series",
                "`series` has to be the `id` of one that /api/history lists",
            ),
            ("span=week", "`span` has to be hour or day"),
            (
                "after=99999999999999999999",
                "`after` has to be the number of a second, or of a minute",
            ),
            (
                "after=%31",
                "`after` has to be the number of a second, or of a minute",
            ),
            (
                "<script>=1",
                "there are `series`, `span` and `after`, and no others",
            ),
        ] {
            assert_eq!(Wanted::parse(query), Err(fault.to_owned()), "{query}");
        }
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere_and_has_no_script_or_style_within() {
        let page = include_str!("page/page.html");
        let script = include_str!("page/page.js");
        let all = [
            page,
            script,
            include_str!("page/page.css"),
            include_str!("page/page.svg"),
        ];
        for text in all {
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("//cdn"));
        }
        for word in [" style=", "<style", "onclick", "onload", "javascript:"] {
            assert!(!page.contains(word), "{word}");
        }
        assert_eq!(page.matches("<script").count(), 1);
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "DOMParser",
        ] {
            assert!(!script.contains(word), "{word}");
        }
    }
}
