//! The world left running, with commands to try.

use std::path::Path;

use anyhow::{Context, Result};
use aoe_lab::isolation;
use aoe_lab::netns::Namespace;

use crate::cli::Options;
use crate::demo;
use crate::report::Report;
use crate::show::Show;
use crate::stages::WRITABLE;

/// Builds the first world again and waits for Ctrl-C.
pub(crate) fn run(options: &Options, show: &Show, dir: &Path) -> Result<()> {
    show.heading("Two sites to play with");
    let dir = dir.join("kept");
    let mut report = Report::new(*show);
    let scene = demo::open(&mut report, options, &dir, demo::usual(options))
        .context("the sites could not be built again")?;
    let world = scene.world();
    let own = std::env::current_exe()?;
    let own = own.display();
    let (ini, wan, gwa) = (
        enter(&world.ground.ini)?,
        enter(&world.ground.wan)?,
        enter(&world.ground.gwa)?,
    );
    show.line(&format!(
        "
  In another terminal, as the same user. The initiator's host:
    {ini} {own} probe eth0
    {ini} {own} probe eth0 {import}
    {ini} aoeping -v {shelf} {slot} eth0              (apt install aoetools)
  Between the sites, where only sealed records pass:
    {wan} tcpdump -ni a -X udp                  (apt install tcpdump)
  Site A's segment, where AoE is plain:
    {gwa} tcpdump -ni san -e ether proto 0x88a2
  Configurations, keys and logs:
    {dir}

  Ctrl-C ends it and leaves nothing.",
        import = WRITABLE.1,
        shelf = WRITABLE.1.shelf,
        slot = WRITABLE.1.slot,
        dir = dir.display(),
    ));
    loop {
        std::thread::park();
    }
}

/// The command that enters a namespace from outside.
fn enter(namespace: &Namespace) -> Result<String> {
    let net = namespace.path().display();
    if !isolation::is_in_user_namespace() {
        return Ok(format!("nsenter --net={net}"));
    }
    // Our number in the host's /proc, which is the one we see.
    let own = std::fs::read_link("/proc/self").context("reading /proc/self")?;
    Ok(format!(
        "nsenter --user --target={} --preserve-credentials --net={net}",
        own.display()
    ))
}
