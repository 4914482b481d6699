use super::*;

#[test]
fn a_right_is_not_confused_with_the_mode_of_a_file() {
    let told = |errno| {
        AttachError {
            segment: "san".to_owned(),
            device: "aoe0".to_owned(),
            capability: "CAP_NET_ADMIN",
            source: io::Error::from_raw_os_error(errno),
        }
        .to_string()
    };
    let (right, mode, other) = (told(libc::EPERM), told(libc::EACCES), told(libc::EBUSY));
    assert!(
        right.contains("setcap cap_net_admin+ep") && !right.contains("chmod"),
        "{right}"
    );
    assert!(
        mode.contains("chmod 0666 /dev/net/tun") && !mode.contains("CAP_"),
        "{mode}"
    );
    assert!(other.ends_with("shows those that may)"), "{other}");
}
