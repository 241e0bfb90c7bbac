//! The hints that are built in.
//!
//! From the service's table of error codes and its list of causes for failed operations: it works
//! over SSH from 100.125.0.0/16, resets stopped servers only and binds, replaces and unbinds on
//! running ones. Messages come in the language of the account, so each class has words of both.

use super::Language;

/// One sentence in each language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    en: &'static str,
    zh: &'static str,
}

impl Words {
    pub(super) fn in_language(self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }
}

/// A class of messages.
#[derive(Debug)]
pub(super) struct Message {
    /// One of these, in lower case, is in the message …
    pub(super) any: &'static [&'static str],
    /// … and one of these too, unless there are none.
    pub(super) and: &'static [&'static str],
    pub(super) words: Words,
}

/// What some error codes stand for.
#[derive(Debug)]
pub(super) struct Code {
    codes: &'static [&'static str],
    pub(super) words: Words,
}

impl Code {
    pub(super) fn is_for(&self, code: &str) -> bool {
        self.codes.iter().any(|known| known.eq_ignore_ascii_case(code))
    }
}

/// Tried in this order: the more telling words come first.
pub(super) const MESSAGES: &[Message] = &[
    Message {
        any: &[
            "not stopped",
            "not shut off",
            "not shutoff",
            "must be stopped",
            "must be shut off",
            "未关机",
            "不是关机",
            "请先关机",
        ],
        and: &[],
        words: Words {
            en: "Only a stopped server's key pair can be reset: shut the server down, then reset again.",
            zh: "重置密钥对要求云服务器处于关机状态：请先关机，再重新执行重置。",
        },
    },
    Message {
        any: &[
            "not running",
            "is stopped",
            "is shut off",
            "is shutoff",
            "未开机",
            "已关机",
            "不是运行",
        ],
        and: &[],
        words: Words {
            en: "Binding, replacing and unbinding need a running server: start it, then try again.",
            zh: "绑定、替换和解绑密钥对要求云服务器处于运行状态：请开机后重试。",
        },
    },
    Message {
        any: &["security group", "安全组"],
        and: &[],
        words: Words {
            en: "Allow inbound TCP on the SSH port from 100.125.0.0/16 in the server's security group.",
            zh: "请在云服务器的安全组中放通来自 100.125.0.0/16 的 SSH 端口入方向 TCP 流量。",
        },
    },
    Message {
        any: &["private key", "私钥"],
        and: &[],
        words: Words {
            en: "Use the private key of the key pair that is bound now, complete and without a passphrase.",
            zh: "请使用当前已绑定密钥对的私钥，确认内容完整且未设置口令。",
        },
    },
    Message {
        any: &[
            "sshd",
            "permitrootlogin",
            "pubkeyauthentication",
            "authorized_keys",
            "authorizedkeysfile",
        ],
        and: &[],
        words: Words {
            en: "The server's SSH configuration was changed: restore root log-in by key in sshd_config and the default /root/.ssh/authorized_keys.",
            zh: "云服务器的 SSH 配置被修改：请在 sshd_config 中恢复 root 密钥登录，并还原默认的 /root/.ssh/authorized_keys。",
        },
    },
    Message {
        any: &["ssh", "port", "端口"],
        and: &[
            "closed",
            "refused",
            "reached",
            "unreachable",
            "time",
            "not open",
            "failed to connect",
            "cannot connect",
            "未开放",
            "未放通",
            "超时",
            "连接失败",
            "无法连接",
            "拒绝",
        ],
        words: Words {
            en: "Open the SSH port to 100.125.0.0/16 in the security group and the server's firewall, and check that sshd listens on it.",
            zh: "请在安全组和云服务器防火墙中对 100.125.0.0/16 放通 SSH 端口，并确认 sshd 正在监听该端口。",
        },
    },
    Message {
        any: &["password", "密码"],
        and: &[],
        words: Words {
            en: "Check root's password, and that the server's sshd_config allows log-in by password.",
            zh: "请检查 root 密码是否正确，以及 sshd_config 是否允许密码登录。",
        },
    },
    Message {
        any: &["kms", "kek", "encrypt", "decrypt", "加密", "解密"],
        and: &[],
        words: Words {
            en: "Check that the KMS key that protects the private key is enabled and may be used by this account.",
            zh: "请检查用于保护私钥的 KMS 密钥是否已启用，以及当前账号是否有权使用。",
        },
    },
    Message {
        any: &["disk", "detach", "磁盘", "卸载"],
        and: &[],
        words: Words {
            en: "Leave the server's power state and its system disk alone while a task runs, then try again.",
            zh: "任务执行期间请勿开关机或卸载系统盘，然后重试。",
        },
    },
    Message {
        any: &["not support", "unsupported", "不支持"],
        and: &[],
        words: Words {
            en: "The service knows public Linux images only, not Windows and not every distribution: check the server's image.",
            zh: "该服务仅支持公共 Linux 镜像（不支持 Windows 及部分发行版），请检查云服务器的镜像。",
        },
    },
    Message {
        any: &[
            "unreachable",
            "network",
            "connect",
            "timeout",
            "timed out",
            "firewall",
            "网络",
            "超时",
            "防火墙",
        ],
        and: &[],
        words: Words {
            en: "The server could not be reached: check that it runs, its routes, its firewall and the security group (SSH from 100.125.0.0/16).",
            zh: "无法连接云服务器：请检查其运行状态、路由、防火墙以及安全组（需放通来自 100.125.0.0/16 的 SSH）。",
        },
    },
    Message {
        any: &["public key", "公钥"],
        and: &[],
        words: Words {
            en: "The key could not be written to the server: check SSH from 100.125.0.0/16 and that /root/.ssh/authorized_keys is as it was.",
            zh: "公钥未能写入云服务器：请检查来自 100.125.0.0/16 的 SSH 是否放通，以及 /root/.ssh/authorized_keys 是否被修改。",
        },
    },
];

/// From the service's table of error codes.
pub(super) const CODES: &[Code] = &[
    Code {
        codes: &["KPS.0002"],
        words: Words {
            en: "The request had a wrong parameter: check the server, the key pair and the port that were given.",
            zh: "请求参数错误：请检查所填的云服务器、密钥对和端口。",
        },
    },
    Code {
        codes: &["KPS.0003", "KPS.0004", "KPS.5001", "KPS.5002", "KPS.5003", "KPS.5004"],
        words: Words {
            en: "The cloud's own trouble: try again later, and ask its support if it stays.",
            zh: "云侧内部异常：请稍后重试，若持续出现请联系技术支持。",
        },
    },
    Code {
        codes: &["KPS.0006"],
        words: Words {
            en: "The user is not known there: check account, project and region.",
            zh: "用户不存在：请检查账号、项目和区域。",
        },
    },
    Code {
        codes: &["KPS.4016", "KPS.6004"],
        words: Words {
            en: "The key pair does not exist any more: create or import it, or choose another one.",
            zh: "密钥对不存在：请创建或导入该密钥对，或改用其他密钥对。",
        },
    },
    Code {
        codes: &["KPS.6005"],
        words: Words {
            en: "The service holds no private key of this key pair: import it, or give it with the request.",
            zh: "该密钥对未托管私钥：请导入私钥，或在请求中提供私钥。",
        },
    },
    Code {
        codes: &["KPS.6007", "KPS.6008", "KPS.6010"],
        words: Words {
            en: "Check that the KMS key that protects the private key is enabled and may be used by this account.",
            zh: "请检查用于保护私钥的 KMS 密钥是否已启用，以及当前账号是否有权使用。",
        },
    },
    Code {
        codes: &["KPS.6009"],
        words: Words {
            en: "The server did not accept the key pair: check that the private key belongs to the key pair that is bound now.",
            zh: "密钥对校验失败：请确认所用私钥与当前已绑定的密钥对一致。",
        },
    },
    Code {
        codes: &["KPS.6011"],
        words: Words {
            en: "The private key and the public key do not belong together: import the matching one.",
            zh: "私钥与公钥不匹配：请导入与公钥对应的私钥。",
        },
    },
    Code {
        codes: &["KPS.9001", "KPS.9002", "KPS.9003", "KPS.9006"],
        words: Words {
            en: "Whoever started the task may not do so: check the identity's permissions for key pairs and servers.",
            zh: "任务发起者权限不足：请检查其密钥对和云服务器的相关权限。",
        },
    },
    Code {
        codes: &["KPS.9004", "KPS.9005"],
        words: Words {
            en: "The account is frozen or restricted: settle what is owed, or have it unfrozen.",
            zh: "账号被冻结或受限：请结清欠费或联系客服解除限制。",
        },
    },
];
