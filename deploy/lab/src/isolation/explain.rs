//! The sentence for somebody whose kernel refused: why, and what to do.

use std::fs;

use nix::errno::Errno;

/// Kernel settings that decide whether an ordinary user may make namespaces; `None`: this kernel has no such setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelSettings {
    /// `user.max_user_namespaces`: 0 forbids them.
    pub max_user_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone` (Debian): 0 forbids them to ordinary users.
    pub unprivileged_userns_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns` (Ubuntu): 1 takes all capabilities inside them.
    pub apparmor_restrict: Option<u64>,
}

impl KernelSettings {
    /// Reads the running kernel's settings.
    pub fn read() -> Self {
        let number = |path| {
            fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse().ok())
        };
        KernelSettings {
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restrict: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        }
    }
}

/// Says why the namespaces could not be made for user `uid`, and how to get them.
pub fn explain(errno: Errno, uid: u32, settings: &KernelSettings) -> String {
    let (why, remedy) = if settings.max_user_namespaces == Some(0) {
        (
            "user namespaces are switched off here",
            "sysctl -w user.max_user_namespaces=10000",
        )
    } else if settings.unprivileged_userns_clone == Some(0) {
        (
            "ordinary users may not make user namespaces here",
            "sysctl -w kernel.unprivileged_userns_clone=1",
        )
    } else if settings.apparmor_restrict == Some(1) {
        (
            "AppArmor takes every capability from user namespaces here",
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    } else if errno == Errno::EINVAL {
        (
            "a process with several threads cannot enter a user namespace",
            "start it as a command of its own",
        )
    } else if uid == 0 {
        (
            "this root has no CAP_SYS_ADMIN, as in a container, and may not make user namespaces either",
            "a container started with --privileged, or a real or virtual machine",
        )
    } else {
        (
            "this kernel or container does not let ordinary users make user namespaces",
            "another machine",
        )
    };
    format!(
        "cannot make network namespaces as user {uid} ({errno}): {why}. Run it as root, or allow it first: {remedy}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_names_its_own_remedy() {
        let text = |settings| explain(Errno::EPERM, 1000, &settings);
        let with = KernelSettings::default;

        let off = text(KernelSettings {
            max_user_namespaces: Some(0),
            ..with()
        });
        assert!(off.contains("user.max_user_namespaces"), "{off}");
        let debian = text(KernelSettings {
            unprivileged_userns_clone: Some(0),
            ..with()
        });
        assert!(debian.contains("unprivileged_userns_clone=1"), "{debian}");
        let ubuntu = text(KernelSettings {
            apparmor_restrict: Some(1),
            ..with()
        });
        assert!(
            ubuntu.contains("apparmor_restrict_unprivileged_userns=0"),
            "{ubuntu}"
        );
        let unknown = text(with());
        assert!(
            unknown.contains("user 1000") && unknown.contains("as root"),
            "{unknown}"
        );
    }

    #[test]
    fn root_without_capabilities_is_not_told_to_become_root_only() {
        let text = explain(Errno::EPERM, 0, &KernelSettings::default());
        assert!(text.contains("CAP_SYS_ADMIN"), "{text}");
    }
}
