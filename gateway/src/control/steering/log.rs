//! `log level`: what is logged.

use aoe_common::steer::Steered;

use crate::control::change::Running;
use crate::control::orders::By;
use crate::control::protocol::{Answer, Done, Outcome};
use crate::logging::{id, parse_filter};

impl Running {
    /// Logs what this filter says.
    pub(in crate::control) fn log_this(&self, filter: &str, by: By) -> Answer {
        let filter = match parse_filter(filter) {
            Ok(filter) => filter,
            Err(found) => {
                return Answer::refused(format!(
                    "{found}; write what --log-level takes, such as \"info\" or \"info,aoe_gateway::segment=debug\""
                ));
            }
        };
        // Said by the old filter and by the new one: at least one of them lets it through, unless both are `off`.
        tracing::info!(id = id::OPERATOR, "log: {by} sets {filter:?}");
        self.log().set_live(&filter);
        tracing::info!(id = id::OPERATOR, "log: {filter:?} is in force");
        let lasts =
            "until the gateway ends, or a reload changes `log`; to keep it, set `log` of [gateway] as well";
        Answer::of_verb(
            Outcome::Changed,
            Done {
                about: "log".to_owned(),
                said: vec![format!("the log is filtered by {filter:?} now")],
                lasts: lasts.to_owned(),
                survives_restart: false,
                found: Steered {
                    changed: true,
                    ..Steered::default()
                },
            },
        )
    }
}
