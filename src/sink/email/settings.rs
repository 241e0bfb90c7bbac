//! The options of a mail sink, checked.

use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::{message::Mailbox, transport::smtp::extension::ClientId};
use url::Url;

use super::{
    Auth, Options,
    message::Letterhead,
    server::{Login, Security, Server, is_loopback},
};
use crate::{
    http::Clients,
    options::{OptionError, SecretRef},
    secret::Secret,
    sink::http::{Redactor, trusting},
};

/// Most recipients. Servers refuse more than a hundred at a time; a list of people longer than
/// this belongs into a mailing list.
const RECIPIENTS_MAX: usize = 50;

/// Longest name that we introduce ourselves with: a domain name's limit.
const HELLO_BYTES_MAX: usize = 255;

/// Turns options into a server to write to and a letterhead to write on.
pub(super) fn read(
    options: Options,
    clients: Clients,
) -> Result<(Server, Letterhead), OptionError> {
    if options.to.is_empty() || RECIPIENTS_MAX < options.to.len() {
        let problem = format!("must list 1 to {RECIPIENTS_MAX} addresses");
        return Err(OptionError::new("to", problem));
    }
    let to = options.to.iter().enumerate();
    let to = to.map(|(at, text)| mailbox(&format!("to[{at}]"), text)).collect::<Result<_, _>>()?;
    let from = mailbox("from", &options.from)?;
    let reply_to = options.reply_to.as_deref().map(|text| mailbox("reply_to", text)).transpose()?;
    Ok((server(options, clients)?, Letterhead { from, to, reply_to }))
}

fn server(options: Options, clients: Clients) -> Result<Server, OptionError> {
    let (security, host, port) =
        address(&options.smtp).map_err(|problem| OptionError::new("smtp", problem))?;
    let private = security != Security::Plain || is_loopback(&host);
    if !private && !options.insecure {
        return Err(OptionError::new(
            "smtp",
            "smtp:// is in the clear and allowed to this host only; use smtps:// or \
             smtp+starttls://, or set insecure = true",
        ));
    }
    let login = login(options.username, options.password.as_ref(), options.auth)?;
    if login.is_some() && !private {
        let key = if matches!(login, Some(Login::Token { .. })) { "auth" } else { "password" };
        return Err(OptionError::new(key, "is not sent in the clear; use smtps://"));
    }
    let clients = trusting(clients, options.ca_file.as_deref())?;
    let redactor = login.as_ref().map(redactor).unwrap_or_default();
    let hello = match options.hello_name {
        None => ClientId::default(),
        Some(name) => hello(name)?,
    };
    Ok(Server { host, port, security, hello, login, clients, redactor, tls: OnceLock::new() })
}

/// Reads `smtps://host[:port]` and its kin.
fn address(text: &str) -> Result<(Security, String, u16), String> {
    const FORMS: &str = "must be smtps://host, smtp+starttls://host or smtp://host, \
                         with :port if it is not the usual one";
    let url = Url::parse(text).map_err(|_| FORMS.to_owned())?;
    let (security, usual) = match url.scheme() {
        "smtps" => (Security::Implicit, 465),
        "smtp+starttls" => (Security::StartTls, 587),
        "smtp" => (Security::Plain, 25),
        _ => return Err(FORMS.to_owned()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user; use the keys username and password".to_owned());
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if host.is_empty() || !bare {
        return Err(FORMS.to_owned());
    }
    Ok((security, host.to_owned(), url.port().unwrap_or(usual)))
}

fn login(
    username: Option<String>,
    password: Option<&SecretRef>,
    auth: Option<Auth>,
) -> Result<Option<Login>, OptionError> {
    match (username, password, auth) {
        (None, None, None) => Ok(None),
        (None, None, Some(Auth::Xoauth2 { username, token })) => {
            // For the sake of an error now and not with the first notice.
            token.read().map_err(|problem| OptionError::new("auth.token", problem))?;
            Ok(Some(Login::Token { username, token }))
        }
        (_, _, Some(_)) => {
            Err(OptionError::new("auth", "excludes username and password; leave out one of them"))
        }
        (Some(_), None, None) => Err(OptionError::new("password", "is required with username")),
        (None, Some(_), None) => Err(OptionError::new("username", "is required with password")),
        (Some(username), Some(password), None) => {
            let password =
                password.read().map_err(|problem| OptionError::new("password", problem))?;
            Ok(Some(Login::Password { username, password }))
        }
    }
}

/// Hides the password in each form in which it goes over the wire. A token is hidden when it is
/// read.
fn redactor(login: &Login) -> Redactor {
    let Login::Password { username, password } = login else { return Redactor::default() };
    let password = password.expose();
    let plain = Secret::new(STANDARD.encode(format!("\0{username}\0{password}")));
    let encoded = Secret::new(STANDARD.encode(password));
    Redactor::new(&[password, plain.expose(), encoded.expose()])
}

/// An address that fits an SMTP command and a header as it is.
fn mailbox(key: &str, text: &str) -> Result<Mailbox, OptionError> {
    let wrong = |problem: String| OptionError::new(key, problem);
    if text.chars().any(char::is_control) {
        return Err(wrong("must not hold a line break or another control character".to_owned()));
    }
    let mailbox: Mailbox = text.parse().map_err(|_| {
        wrong("is not a mail address; write ops@example.com or Name <ops@example.com>".to_owned())
    })?;
    let address: &str = mailbox.email.as_ref();
    // Quoted local parts are legal and nobody has one; what they allow is only good for tricks.
    let odd = |byte: u8| !byte.is_ascii_graphic() || b"\"\\<>()[],;:".contains(&byte);
    if address.bytes().any(odd) {
        let problem = "must be an address in plain ASCII; write a domain's xn-- form";
        return Err(wrong(problem.to_owned()));
    }
    Ok(mailbox)
}

fn hello(name: String) -> Result<ClientId, OptionError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if name.is_empty() || HELLO_BYTES_MAX < name.len() || !name.bytes().all(plain) {
        return Err(OptionError::new("hello_name", "must be a host name such as ops.example.com"));
    }
    Ok(ClientId::Domain(name))
}
