//! Peers that know each other by certificates: revoked by key and by list while they are at work, and issued by OpenSSL.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use aoe_common::snapshot::State;
use aoe_lab::gateway::Transport;
use aoe_lab::relay::Side;
use aoe_lab::topology::{World, WorldPlan};
use e2e::load;
use e2e::stage::{Stage, eventually, play};
use e2e::trial::{PATIENCE, Trial};

/// The CA of the lab, from the directory of a site.
const CA: &str = "../lab-ca";
/// Gives a site a new key and a certificate for it.
const NEW_KEY: [&str; 7] = ["ca", "renew", "site-a", "--new-key", "--force", "--dir", CA];

fn start(stage: &Stage, files: impl FnOnce(&World) -> Result<()>) -> Result<Trial> {
    let mut trial = Trial::begin(stage, WorldPlan::default(), &[], |world| {
        for site in [&mut world.site_a, &mut world.site_b] {
            site.speak(Transport::Tls)?;
        }
        files(world)
    })?;
    trial.gateways.wait_for_import(e2e::trial::IMPORT)?;
    Ok(trial)
}

fn keys(stage: &Stage, trial: &Trial, side: Side, words: &[&str]) -> Result<String> {
    stage.binaries().keys(trial.site(side).dir(), words)
}

/// Puts the newest list of the CA where site B reads it, as a whole.
fn bring_list(trial: &Trial) -> Result<()> {
    let dir = trial.site(Side::B).dir();
    let new = dir.join("ca.crl.new");
    fs::copy(dir.join(CA).join("ca.crl"), &new)?;
    fs::rename(new, dir.join("ca.crl")).context("replacing the list")
}

fn is_down(trial: &Trial, why: &str) -> Result<bool> {
    let status = trial.site(Side::B).status()?;
    let peer = status.peers.first().context("a peer")?;
    Ok(peer.standing.state == State::Down && peer.session.is_none() && peer.standing.why.contains(why))
}

#[test]
fn a_certificate_is_revoked_by_its_key_and_comes_back_in_no_other_of_that_key() {
    play(|stage| {
        let mut trial = start(stage, |_| Ok(()))?;
        let status = trial.site(Side::B).status()?;
        let session = status.peers[0].session.as_ref().context("a session")?;
        ensure!(
            (session.handshake.as_str(), session.post_quantum.as_str()) == ("tls", "x25519mlkem768"),
            "{session:?}"
        );
        let load = trial.load(load::mixed())?;
        let certificate = "../site-a/site-a.crt";
        keys(stage, &trial, Side::B, &["revoke", certificate, "--dir", "."])?;
        eventually("the session has ended", PATIENCE, || is_down(&trial, "revoked"))?;
        let sent = trial.counted(Side::B)?.of("requests_to_target");

        // The same key in a new certificate: read by A, and refused by B all the same.
        keys(stage, &trial, Side::A, &["ca", "renew", "site-a", "--dir", CA])?;
        trial.wait_for_log(Side::A, "by a change of", 1)?;
        let refused = trial.counted(Side::B)?.of("handshake_certificate");
        eventually("it is refused again", PATIENCE, || {
            Ok(trial.counted(Side::B)?.of("handshake_certificate") > refused + 1)
        })?;
        ensure!(is_down(&trial, "revoked")?);
        ensure!(trial.counted(Side::B)?.of("requests_to_target") == sent);

        // A new key is another matter.
        keys(stage, &trial, Side::A, &NEW_KEY)?;
        trial.wait_for_log(Side::A, "import e107.3 is up", 2)?;
        load.go_on(50)?;
        trial.finish(load).map(drop)
    });
}

#[test]
fn a_revocation_list_counts_as_soon_as_it_is_there() {
    play(|stage| {
        let trial = start(stage, |_| Ok(()))?;
        let load = trial.load(load::mixed())?;
        keys(stage, &trial, Side::A, &["ca", "revoke", "site-a", "--dir", CA])?;
        bring_list(&trial)?;
        eventually("the session has ended", PATIENCE, || is_down(&trial, "revoked"))?;
        keys(stage, &trial, Side::A, &NEW_KEY)?;
        trial.wait_for_log(Side::A, "import e107.3 is up", 2)?;
        load.go_on(50)?;
        trial.finish(load).map(drop)
    });
}

/// Certificates of both sites by OpenSSL: a root of P-256, an intermediate of RSA, a leaf of this kind for each.
fn by_openssl(world: &World, kind: &str) -> Result<()> {
    let script = format!(
        r#"
set -eu
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=Root" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout root.key -out root.crt
printf '%s\n' "basicConstraints=critical,CA:TRUE,pathlen:0" "keyUsage=critical,keyCertSign,cRLSign" >intermediate.ext
openssl req -new -newkey rsa:2048 -nodes -subj "/CN=Storage" -keyout intermediate.key -out intermediate.csr
openssl x509 -req -in intermediate.csr -CA root.crt -CAkey root.key -CAcreateserial -days 90 \
    -extfile intermediate.ext -out intermediate.crt
for ca in root intermediate; do
    printf '%s\n' "[$ca]" "database=$ca.index" "certificate=$ca.crt" "private_key=$ca.key" "crlnumber=$ca.number" \
        "default_md=sha256" "default_crl_days=30" >$ca.cnf
    touch $ca.index
    echo 01 >$ca.number
    openssl ca -config $ca.cnf -name $ca -gencrl -out $ca.crl
done
umask 077
for site in site-a site-b; do
    printf '%s\n' "basicConstraints=critical,CA:FALSE" "extendedKeyUsage=serverAuth,clientAuth" \
        "subjectAltName=DNS:$site" >leaf.ext
    openssl req -new -newkey {kind} -nodes -subj "/CN=$site" -keyout $site.tls.key -out leaf.csr
    openssl x509 -req -in leaf.csr -CA intermediate.crt -CAkey intermediate.key -CAcreateserial -days 90 \
        -extfile leaf.ext -out leaf.crt
    cat leaf.crt intermediate.crt >$site/$site.crt
    mv -f $site.tls.key $site/$site.tls.key
    cp root.crt $site/ca.crt
    cat root.crl intermediate.crl >$site/ca.crl
done
"#
    );
    let top: &Path = world
        .site_a
        .dir()
        .parent()
        .context("a directory around the sites")?;
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(top)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(())
}

#[test]
fn certificates_by_openssl_with_an_intermediate_work_whatever_their_keys() {
    for kind in ["rsa:2048", "ed25519", "ec -pkeyopt ec_paramgen_curve:P-256"] {
        play(|stage| {
            let trial = start(stage, |world| by_openssl(world, kind))?;
            let load = trial.load(load::mixed())?;
            load.go_on(50)?;
            trial.finish(load).map(drop)
        });
    }
}
