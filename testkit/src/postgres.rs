//! A PostgreSQL for tests: Debian's programs, in a temporary folder, reached by a socket in it.
//!
//! [`Postgres::start`] makes one for a test that stops or breaks it. [`database`] gives an empty database in the one that all
//! tests of a run share: each test is a process, and making a PostgreSQL takes longer than most tests.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use tempfile::TempDir;

/// Who has all rights there.
const USER: &str = "postgres";
/// The line of `postmaster.pid` with the port, by which the socket is called too.
const PORT: usize = 3;

/// One of a test's own; it ends with the value, however the test ends.
pub struct Postgres {
    folder: TempDir,
}

impl Postgres {
    /// Makes and starts one.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mesh-postgres-").tempdir()?;
        make(folder.path())?;
        let postgres = Self { folder };
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Makes and starts one that lets nobody in over the network but by TLS.
    pub fn start_with_tls() -> Result<(Self, Tls)> {
        let folder = tempfile::Builder::new().prefix("mesh-postgres-").tempdir()?;
        make(folder.path())?;
        let tls = Tls::set_up(folder.path())?;
        let postgres = Self { folder };
        postgres.start_again()?;
        Ok((postgres, tls))
    }

    /// Starts it after [`stop`](Self::stop), and waits until it answers.
    pub fn start_again(&self) -> Result<()> {
        start(self.folder.path())
    }

    /// Ends it as a crash would: nothing is flushed, nobody is told.
    pub fn stop(&self) -> Result<()> {
        control(self.folder.path(), &["stop", "--mode", "immediate"])
    }

    /// It answers nobody any more, and every connection stays, until [`thaw`](Self::thaw).
    pub fn freeze(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// It goes on.
    pub fn thaw(&self) -> Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let postmaster = postmaster(self.folder.path())?;
        let children = Command::new("ps")
            .args(["-o", "pid=", "--ppid", &postmaster])
            .output()?;
        let children = String::from_utf8(children.stdout)?;
        let mut kill = Command::new("kill");
        kill.arg(signal)
            .arg(&postmaster)
            .args(children.split_whitespace());
        ensure!(kill.status()?.success(), "kill {signal}");
        Ok(())
    }

    /// An empty database; its URL.
    pub async fn database(&self) -> Result<String> {
        create(self.folder.path()).await
    }

    /// Does something in a database, as its owner.
    pub async fn execute(url: &str, statements: &'static str) -> Result<()> {
        let mut connection = url.parse::<PgConnectOptions>()?.connect().await?;
        sqlx::raw_sql(statements).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.thaw();
        let _ = self.stop();
    }
}

/// How a PostgreSQL is reached over TLS: as `localhost`, by a certificate of an authority of its own.
pub struct Tls {
    pub port: u16,
    pub authority: PathBuf,
    /// Another authority, which has signed nothing.
    pub stranger: PathBuf,
}

impl Tls {
    fn set_up(folder: &Path) -> Result<Self> {
        let authority = certificate(folder, "authority", None)?;
        let stranger = certificate(folder, "stranger", None)?;
        let own = certificate(folder, "localhost", Some("authority"))?;
        // Given back at once: nobody else on this machine asks for a port by its number.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let data = folder.join("data");
        let mut settings = fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))?;
        writeln!(
            settings,
            "listen_addresses = '127.0.0.1'\nport = {port}\nssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'",
            own.display(),
            own.with_extension("key").display()
        )?;
        let who = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), who)?;
        Ok(Self {
            port,
            authority,
            stranger,
        })
    }
}

/// A certificate with its key beside it, signed by itself or by one that was made before.
fn certificate(folder: &Path, name: &str, signer: Option<&str>) -> Result<PathBuf> {
    let file = |name: &str, extension| folder.join(name).with_extension(extension);
    let mut make = program("openssl")?;
    make.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ])
    .args(["-subj", &format!("/CN={name}"), "-keyout"])
    .arg(file(name, "key"))
    .arg("-out")
    .arg(file(name, "crt"));
    if let Some(signer) = signer {
        make.args(["-addext", &format!("subjectAltName=DNS:{name}")])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-CA"])
            .arg(file(signer, "crt"))
            .arg("-CAkey")
            .arg(file(signer, "key"));
    }
    run(&mut make)?;
    Ok(file(name, "crt"))
}

/// An empty database in the PostgreSQL of this test run; its URL. The first test that asks starts it; it ends soon after the
/// process that runs the tests.
pub async fn database() -> Result<String> {
    let folder = std::env::temp_dir().join(format!("mesh-postgres-of-{}", parent_id()));
    tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || shared(&folder)
    })
    .await??;
    create(&folder).await
}

fn shared(folder: &Path) -> Result<()> {
    // Closed at the end, which gives it back.
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock()?;
    let started = folder.join("started");
    if started.exists() {
        return Ok(());
    }
    // Of an earlier run with the same number, which was cut off.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder)?;
    make(folder)?;
    start(folder)?;
    let guard = "tail --pid=\"$0\" -f /dev/null; kill -INT \"$1\"; tail --pid=\"$1\" -f /dev/null; rm -rf \"$2\" \"$2.lock\"";
    Command::new("/bin/sh")
        .args(["-c", guard, &parent_id().to_string(), &postmaster(folder)?])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()?;
    fs::write(started, "")?;
    Ok(())
}

async fn create(folder: &Path) -> Result<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "test_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let port = status_line(folder, PORT)?.parse()?;
    let options = PgConnectOptions::new_without_pgpass()
        .socket(folder)
        .port(port)
        .username(USER)
        .database("postgres");
    let mut connection = options.connect().await?;
    let statement = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(format!(
        "postgres:///{name}?host={}&port={port}&user={USER}",
        folder.display()
    ))
}

fn make(folder: &Path) -> Result<()> {
    if let Some((user, group)) = unprivileged()? {
        chown(folder, Some(user), Some(group))?;
    }
    // Others pass through it to the socket.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711))?;
    let data = folder.join("data");
    let mut initdb = program("initdb")?;
    initdb
        .arg("--pgdata")
        .arg(&data)
        .args([
            "--auth",
            "trust",
            "--username",
            USER,
            "--encoding",
            "UTF8",
            "--no-locale",
        ])
        // What is made here is thrown away with the machine's power.
        .arg("--no-sync");
    run(&mut initdb)?;
    let mut settings = fs::OpenOptions::new()
        .append(true)
        .open(data.join("postgresql.conf"))?;
    writeln!(
        settings,
        "listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = 300\nshared_buffers = 32MB",
        folder.display()
    )?;
    Ok(())
}

fn start(folder: &Path) -> Result<()> {
    let log = folder.join("log");
    let log = log.to_str().context("a path that is no text")?;
    control(folder, &["start", "--wait", "--silent", "--log", log])
}

fn control(folder: &Path, arguments: &[&str]) -> Result<()> {
    run(program("pg_ctl")?
        .args(arguments)
        .arg("--pgdata")
        .arg(folder.join("data")))
}

/// The number of the process that all others are children of.
fn postmaster(folder: &Path) -> Result<String> {
    status_line(folder, 0)
}

/// Of what a PostgreSQL that runs writes about itself.
fn status_line(folder: &Path, number: usize) -> Result<String> {
    let file = fs::read_to_string(folder.join("data/postmaster.pid"))?;
    Ok(file.lines().nth(number).context("postmaster.pid")?.to_owned())
}

fn run(command: &mut Command) -> Result<()> {
    // To a file and not through a pipe: what it starts would hold that open.
    let said = tempfile::tempfile()?;
    let status = command
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said.try_clone()?)
        .current_dir("/")
        .status()
        .with_context(|| format!("{command:?}"))?;
    if !status.success() {
        let said = std::io::read_to_string(rewound(said)?)?;
        bail!("{command:?}: {said}");
    }
    Ok(())
}

fn rewound(mut file: File) -> Result<File> {
    std::io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// Debian keeps them apart from other programs, one folder a version.
fn program(name: &str) -> Result<Command> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found: Option<PathBuf> = std::env::split_paths(&path)
        .chain(debian)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    let found = found.with_context(|| format!("{name} is missing: `cargo xtask test` installs it"))?;
    let mut command = Command::new(found);
    if let Some((user, group)) = unprivileged()? {
        command.uid(user).gid(group);
    }
    Ok(command)
}

/// PostgreSQL refuses to run as root: then it runs as the user that its package made.
fn unprivileged() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line.context("there is no user postgres")?.split(':').skip(2);
    let mut number = || -> Result<u32> { Ok(fields.next().context("/etc/passwd")?.parse()?) };
    Ok(Some((number()?, number()?)))
}
