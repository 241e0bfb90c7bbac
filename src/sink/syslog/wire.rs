//! The ways by which messages leave.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::OnceLock,
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;

use crate::{
    delivery::Verdict,
    http::{CONNECT_TIMEOUT, Clients},
    sink::{ANSWER_BYTES_MAX, SinkError, dial, http::is_untrusted},
};

/// How long a receiver may take to end its side of the connection. One that never does has
/// everything all the same, as a rule: syslog has no answer that it could owe us. Shorter than
/// the shortest time limit that a sink can have, so that such a receiver is not told for ever.
const FAREWELL_WAIT: Duration = Duration::from_millis(800);

/// How long the news of a closed port may take. It comes at once or not at all.
const REFUSAL_WAIT: Duration = Duration::from_millis(100);

/// Where messages go and how.
#[derive(Debug)]
pub(super) enum Way {
    Tcp(Remote),
    Tls(Secured),
    Udp(Remote),
    Unix(PathBuf),
}

/// Another host, to be spoken to in TLS.
pub(super) struct Secured {
    pub(super) remote: Remote,
    /// As trusting as the connection, and with our certificate.
    pub(super) clients: Clients,
    /// Built at the first connection: reading the host's certificates takes a while.
    connector: OnceLock<TlsConnector>,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.remote, f)
    }
}

/// Another host.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Remote {
    host: String,
    port: u16,
}

impl Way {
    /// Reads an address; `tls://` without what it trusts.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str = "must be tcp://host, tls://host or udp://host, with :port if it is \
                             not the usual one, or unix:///path";
        if let Some(path) = text.strip_prefix("unix://") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Self::Unix(path)) } else { Err(FORMS.to_owned()) };
        }
        let url = Url::parse(text).map_err(|_| FORMS.to_owned())?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if host.is_empty() || !bare {
            return Err(FORMS.to_owned());
        }
        let remote = |usual| Remote { host, port: url.port().unwrap_or(usual) };
        match url.scheme() {
            "tcp" => Ok(Self::Tcp(remote(601))),
            "udp" => Ok(Self::Udp(remote(514))),
            "tls" => Ok(Self::Tls(Secured {
                remote: remote(6514),
                clients: Clients::default(),
                connector: OnceLock::new(),
            })),
            _ => Err(FORMS.to_owned()),
        }
    }
}

impl Secured {
    /// Connects and makes the handshake.
    pub(super) async fn connect(&self) -> Result<TlsStream<TcpStream>, SinkError> {
        let Self { remote, clients, connector } = self;
        let tcp = remote.connect().await?;
        let name = ServerName::try_from(remote.host.clone()).map_err(|error| {
            let what = "has a name that no certificate can hold";
            remote.fault(Verdict::Suspect, what).caused_by(error)
        })?;
        let connector = match connector.get() {
            Some(connector) => connector,
            None => {
                let built = dial::connector(clients).map_err(|error| {
                    remote.fault(Verdict::Suspect, "cannot be spoken to in TLS").caused_by(error)
                })?;
                connector.get_or_init(|| built)
            }
        };
        let shaking = timeout(CONNECT_TIMEOUT, connector.connect(name, tcp)).await;
        shaking
            .unwrap_or_else(|elapsed| Err(io::Error::new(ErrorKind::TimedOut, elapsed)))
            .map_err(|error| remote.broken("failed the TLS handshake", error))
    }
}

impl Remote {
    fn label(&self) -> String {
        dial::label(&self.host, self.port)
    }

    fn fault(&self, verdict: Verdict, what: &str) -> SinkError {
        SinkError::new(verdict, format!("{} {what}", self.label()))
    }

    fn broken(&self, what: &str, error: io::Error) -> SinkError {
        let refused = is_untrusted(&error) || is_alert(&error);
        let verdict = if refused { Verdict::Suspect } else { Verdict::Retry { after: None } };
        self.fault(verdict, what).caused_by(error)
    }

    /// The same, after something was sent.
    fn cut_off(&self, what: &str, error: io::Error) -> SinkError {
        SinkError { uncertain: true, ..self.broken(what, error) }
    }

    pub(super) async fn connect(&self) -> Result<TcpStream, SinkError> {
        dial::connect(&self.host, self.port).await
    }

    /// A socket that speaks to the host and hears of its refusals.
    pub(super) async fn bind(&self) -> Result<UdpSocket, SinkError> {
        let opening = async {
            let mut found = lookup_host((self.host.as_str(), self.port)).await?;
            let to = found.next().ok_or_else(|| io::Error::other("the name has no address"))?;
            let from: SocketAddr = match to {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(from).await?;
            socket.connect(to).await?;
            Ok(socket)
        };
        let opened = timeout(CONNECT_TIMEOUT, opening).await;
        opened
            .unwrap_or_else(|elapsed| Err(io::Error::new(ErrorKind::TimedOut, elapsed)))
            .map_err(|error| self.broken("cannot be reached", error))
    }

    /// Sends each of `messages` in a datagram of its own.
    pub(super) async fn send_datagrams(&self, messages: &[&[u8]]) -> Result<(), SinkError> {
        let socket = self.bind().await?;
        let sending = async {
            for message in messages {
                socket.send(message).await?;
            }
            // Nobody answers; a closed port shows as an error of the next call.
            match timeout(REFUSAL_WAIT, socket.recv(&mut [0])).await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(_)) | Err(_) => Ok(()),
            }
        };
        let cut = |error| self.cut_off("did not take a datagram", error);
        sending.await.map_err(cut)
    }

    /// Writes everything, ends our side and waits for the receiver to end its own.
    pub(super) async fn send_stream(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        body: &[u8],
    ) -> Result<(), SinkError> {
        let talk = async {
            stream.write_all(body).await?;
            stream.shutdown().await?;
            timeout(FAREWELL_WAIT, drain(&mut stream)).await.unwrap_or(Ok(()))
        };
        talk.await.map_err(|error: io::Error| self.cut_off("broke the connection", error))
    }
}

/// Reads to the end. A receiver has nothing to say; one that does is not listened to for long.
async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut heard = [0; 256];
    let mut left = ANSWER_BYTES_MAX;
    loop {
        match stream.read(&mut heard).await {
            Ok(0) => return Ok(()),
            Ok(count) if count < left => left -= count,
            Ok(_) => return Ok(()),
            // TLS without a farewell. What we sent had its own, so nothing was cut off.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Whether the receiver refused us in the words of TLS: it wants another certificate, as a rule.
fn is_alert(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(_)))
}
