//! Syslog: to another host by TCP, TLS or UDP, or to this host's own daemon.
//!
//! A notice becomes one message for each failure that it lists, and one in front where it is
//! more than its failures. All carry the notice's id, so a repeat can be told.
//!
//! | address | how | a message has at most |
//! |---|---|---|
//! | `tcp://host` (601) | RFC 5424, octet-counted (RFC 6587) | 8192 bytes |
//! | `tls://host` (6514) | the same in TLS (RFC 5425) | 8192 bytes |
//! | `udp://host` (514) | RFC 5424, one datagram each (RFC 5426) | 1232 bytes |
//! | `unix:///dev/log` | the short form that daemons read there | 8192 bytes |
//!
//! What does not fit is cut: parameters are left out from the end, then the text is shortened.
//!
//! Syslog has no answer. Over TCP and TLS we end our side of the connection and wait for the
//! receiver to end its own, which it does when it has read everything; a connection that is
//! reset instead is tried again. One that is just left open counts as taken after a while. UDP
//! promises nothing: only a closed port is noticed. On this host the daemon has it in its queue.

use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Build, Kind, Parcel, Reader, Receipt, Sink, SinkError, frames, http::trusting,
    identity::Identity, unix,
};
use crate::{
    http::Clients,
    notice::Notice,
    options::{self, OptionError},
    render::Words,
};

mod format;
mod wire;

use format::{Form, Style};
use wire::Way;

pub(super) const KIND: Kind = Kind {
    name: "syslog",
    summary: "Syslog (RFC 5424) by TCP, TLS or UDP, or to /dev/log",
    reader: Reader::Programs,
    limit: None,
    cleared: false,
    example: r#"
name = "log"
kind = "syslog"
address = "tcp://{endpoint}"
"#,
    schema: || schemars::schema_for!(Options),
    build,
};

/// What every receiver by TCP or TLS should take (RFC 5425).
const MESSAGE_BYTES_MAX: usize = 8192;

/// What crosses every IPv6 network in one piece: 1280 bytes less the two headers.
const DATAGRAM_BYTES_MAX: usize = 1232;

/// The limits of RFC 5424.
const HOSTNAME_BYTES_MAX: usize = 255;
const APP_NAME_BYTES_MAX: usize = 48;

/// What an absent value is in RFC 5424.
const NIL: &str = "-";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// `tcp://host[:port]`, `tls://host[:port]`, `udp://host[:port]` or `unix:///dev/log`.
    address: String,
    /// What the messages are filed under. Default: `daemon`.
    #[serde(default)]
    facility: Facility,
    /// The name of the program in each message, up to 48 characters. Default: `taskbell`.
    #[serde(default = "app_name")]
    app_name: String,
    /// The name of this host in each message. Default: its own.
    hostname: Option<String>,
    /// PEM file of certificates to trust beside those of the host, for `tls://`.
    ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, for receivers that want one, for `tls://`.
    client_cert: Option<PathBuf>,
    /// PEM file of its key.
    client_key: Option<PathBuf>,
}

fn app_name() -> String {
    "taskbell".to_owned()
}

/// What a program may file its messages under.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Facility {
    User,
    Mail,
    #[default]
    Daemon,
    Auth,
    Syslog,
    Cron,
    Authpriv,
    Local0,
    Local1,
    Local2,
    Local3,
    Local4,
    Local5,
    Local6,
    Local7,
}

impl Facility {
    fn number(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Mail => 2,
            Self::Daemon => 3,
            Self::Auth => 4,
            Self::Syslog => 5,
            Self::Cron => 9,
            Self::Authpriv => 10,
            Self::Local0 => 16,
            Self::Local1 => 17,
            Self::Local2 => 18,
            Self::Local3 => 19,
            Self::Local4 => 20,
            Self::Local5 => 21,
            Self::Local6 => 22,
            Self::Local7 => 23,
        }
    }
}

fn build(build: Build) -> Result<Box<dyn Sink>, OptionError> {
    let options: Options = options::parse(build.options)?;
    let way =
        Way::parse(&options.address).map_err(|problem| OptionError::new("address", problem))?;
    let style = style(&options, &way)?;
    let way = with_tls(way, &options, build.clients)?;
    Ok(Box::new(Syslog { way, style, words: build.words }))
}

fn style(options: &Options, way: &Way) -> Result<Style, OptionError> {
    let printable = |text: &str, bytes_max: usize| {
        (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !printable(&options.app_name, APP_NAME_BYTES_MAX) {
        let problem = "must be 1 to 48 printable ASCII characters without a space";
        return Err(OptionError::new("app_name", problem));
    }
    let hostname = match &options.hostname {
        Some(name) if printable(name, HOSTNAME_BYTES_MAX) => name.clone(),
        Some(_) => {
            let problem = "must be 1 to 255 printable ASCII characters without a space";
            return Err(OptionError::new("hostname", problem));
        }
        None => {
            let uname = rustix::system::uname();
            let name = uname.nodename().to_str().unwrap_or(NIL);
            if printable(name, HOSTNAME_BYTES_MAX) { name } else { NIL }.to_owned()
        }
    };
    let (form, bytes_max) = match way {
        Way::Unix(_) => (Form::Local, MESSAGE_BYTES_MAX),
        Way::Udp(_) => (Form::Rfc5424, DATAGRAM_BYTES_MAX),
        Way::Tcp(_) | Way::Tls(_) => (Form::Rfc5424, MESSAGE_BYTES_MAX),
    };
    let app_name = options.app_name.clone();
    Ok(Style { form, facility: options.facility.number(), hostname, app_name, bytes_max })
}

/// Reads the files that TLS needs.
fn with_tls(way: Way, options: &Options, clients: Clients) -> Result<Way, OptionError> {
    let Way::Tls(mut secured) = way else {
        let given = [
            ("ca_file", &options.ca_file),
            ("client_cert", &options.client_cert),
            ("client_key", &options.client_key),
        ];
        let unused = given.into_iter().find(|(_, file)| file.is_some());
        return match unused {
            None => Ok(way),
            Some((key, _)) => Err(OptionError::new(key, "is for tls:// addresses only")),
        };
    };
    let clients = trusting(clients, options.ca_file.as_deref())?;
    let identity = Identity::read(options.client_cert.as_deref(), options.client_key.as_deref())?;
    secured.clients = match identity {
        None => clients,
        Some(identity) => clients.showing(identity.parts()?),
    };
    Ok(Way::Tls(secured))
}

#[derive(Debug)]
struct Syslog {
    way: Way,
    style: Style,
    words: Words,
}

#[async_trait]
impl Sink for Syslog {
    fn render(&self, notice: &Notice) -> Vec<u8> {
        let mut body = Vec::new();
        for message in format::messages(&self.style, notice, &self.words) {
            frames::push(&mut body, message.as_bytes());
        }
        body
    }

    async fn send(&self, parcel: Parcel<'_>) -> Result<Receipt, SinkError> {
        let messages = frames::messages(parcel.body)?;
        match &self.way {
            Way::Unix(path) => unix::send(path, &messages).await?,
            Way::Udp(remote) => remote.send_datagrams(&messages).await?,
            Way::Tcp(remote) => {
                remote.send_stream(remote.connect().await?, parcel.body).await?;
            }
            Way::Tls(secured) => {
                secured.remote.send_stream(secured.connect().await?, parcel.body).await?;
            }
        }
        Ok(Receipt::Whole)
    }

    async fn probe(&self) -> Result<(), SinkError> {
        match &self.way {
            Way::Unix(path) => unix::connect(path).map(drop),
            Way::Udp(remote) => remote.bind().await.map(drop),
            Way::Tcp(remote) => remote.connect().await.map(drop),
            Way::Tls(secured) => secured.connect().await.map(drop),
        }
    }
}
