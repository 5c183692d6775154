//! scratch
use std::sync::Arc;
use evidence::{entry::Kind, note::SignerKey};
use ledger::*;
#[derive(Debug)] struct S; impl Clock for S { fn now(&self) -> jiff::Timestamp { jiff::Timestamp::UNIX_EPOCH } }
fn main() {
    let k = SignerKey::generate([7; 32], "records.example.org".parse().unwrap());
    let n: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let dir = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let t = std::time::Instant::now();
    let l = Ledger::open(Config::new(dir.clone(), "records.example.org".parse().unwrap(), k, Arc::new(S))).unwrap();
    eprintln!("open {:?}", t.elapsed());
    if l.size() == 1 { l.append(vec![Draft::new(Kind::Opened, vec![]).with_partner("a".parse().unwrap())]).wait().unwrap(); }
    let t = std::time::Instant::now();
    let mut p = Vec::new();
    for i in 0..n {
        p.push(l.append(vec![Draft::new(Kind::Disclosure, format!("{{\"i\":{i},\"x\":\"{}\"}}", "y".repeat(300)).into_bytes()).with_partner("a".parse().unwrap())]));
        if p.len() == 8000 { for q in p.drain(..) { q.wait().unwrap(); } }
    }
    for q in p.drain(..) { q.wait().unwrap(); }
    eprintln!("append {n} {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    rt.block_on(l.checkpoint()).unwrap();
    eprintln!("checkpoint {:?}", t.elapsed());
    let idx = l.size() / 3;
    let t = std::time::Instant::now();
    let pr = l.prove(idx).unwrap();
    eprintln!("prove {:?}", t.elapsed());
    std::fs::write(dir.join("p.tlog-proof"), pr.to_string()).unwrap();
    std::fs::write(dir.join("p.entry"), l.entry(idx).unwrap().entry).unwrap();
    println!("{} {}", idx, l.verifier().renamed(l.origin()));
    eprintln!("{}", std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM")||l.starts_with("VmRSS")).collect::<Vec<_>>().join(" "));
    let v = l.verifier().clone();
    if std::env::args().nth(3).is_some() { std::process::abort(); }
    drop(l);
    let t = std::time::Instant::now();
    let r = verify(&dir, &v).unwrap();
    eprintln!("verify {:?} holds {} {:?} size {}", t.elapsed(), r.holds(), r.findings.first(), r.size);
}
