//! Notices in Simplified Chinese.

mod lead;

use std::time::Duration;

use lead::{fixed_lead, lead_of_failed};

use super::{
    Zone, short,
    speech::{
        Label, Speech, Unit, actions, began, between, lasted, oldest, operation, so_far, units,
    },
};
use crate::{
    failure::{Ending, Failure},
    notice::{Count, Coverage, Notice, NoticeKind},
    task::Action,
};

pub(super) struct Chinese;

impl Speech for Chinese {
    fn headline(&self, notice: &Notice) -> String {
        let total = notice.total;
        match (notice.kind, notice.failures.as_slice()) {
            (NoticeKind::TaskFailed, [one]) if total == 1 => {
                let late = if one.cleared_at.is_some() { "，现已消除" } else { "" };
                self.what_failed(one) + late
            }
            (NoticeKind::TaskFailed, _) => {
                format!("{total} 个任务失败{}", self.in_brackets(notice))
            }
            (NoticeKind::Digest, _) => {
                format!("汇总：{total} 个任务失败{}", self.in_brackets(notice))
            }
            (NoticeKind::TaskCleared, [one]) if total == 1 => {
                format!("已不在失败列表中：{}", self.what_failed(one))
            }
            (NoticeKind::TaskCleared, _) => {
                format!("{total} 条失败记录已不在列表中{}", self.in_brackets(notice))
            }
            (NoticeKind::TaskReminder, [one]) if total == 1 => {
                let length = self.duration(between(began(one), notice.created_at));
                format!("已持续 {length}仍未消除：{}", self.what_failed(one))
            }
            (NoticeKind::TaskReminder, _) => {
                format!("{total} 条失败仍未消除，最长已持续 {}", self.duration(oldest(notice)))
            }
            (NoticeKind::TaskStuck, [one]) if total == 1 => {
                let length = self.duration(between(began(one), notice.created_at));
                format!("{}已运行 {length}仍未结束", self.running(one))
            }
            (NoticeKind::TaskStuck, _) => {
                format!("{total} 个任务长时间未结束，最长已运行 {}", self.duration(oldest(notice)))
            }
            _ => self.headline_of_whole(notice),
        }
    }

    fn what_failed(&self, failure: &Failure) -> String {
        let code = failure.task.text.error_code.as_deref();
        self.title(failure) + &code.map_or_else(String::new, |code| format!("（{}）", short(code)))
    }

    fn about(&self, subject: &str, what: &str) -> String {
        format!("{subject}：{what}")
    }

    fn lead(&self, notice: &Notice, zone: &Zone) -> String {
        match notice.kind {
            NoticeKind::TaskFailed => lead_of_failed(notice, zone),
            NoticeKind::Digest => {
                let since = notice.since.map_or_else(String::new, |since| {
                    format!("自 {} 起", zone.short(since, notice.created_at))
                });
                match notice.reason.as_str() {
                    "silence_ended" => {
                        format!("静默已结束。以下失败{since}因静默未通知，目前仍在列表中。")
                    }
                    "window_ended" => {
                        format!("免打扰时段已结束。以下失败{since}因免打扰未通知，目前仍在列表中。")
                    }
                    "outage_ended" => {
                        format!("通知渠道已恢复。以下为{since}未能送达的全部失败。")
                    }
                    _ => format!("以下为{since}云侧新增的失败任务。"),
                }
            }
            NoticeKind::StormClosed => {
                let lasted = lasted(notice).map_or_else(String::new, |length| {
                    format!("本次风暴历时 {}。", self.duration(length))
                });
                let last = match notice.total {
                    0 => String::new(),
                    total => {
                        format!("上次通知之后又新增 {total} 个{}。", self.in_brackets(notice))
                    }
                };
                format!("{lasted}{last}此后的失败恢复逐条通知。")
            }
            NoticeKind::SinkFailing => {
                let blind = match notice.sources.as_ref().map_or(0, |sources| sources.count) {
                    0 => String::new(),
                    count => format!("{count} 个监控源失明的通知未能送达该渠道。"),
                };
                let owed = match notice.total {
                    0 => "该渠道会继续重试。".to_owned(),
                    total => format!("尚有 {total} 条失败未能送达该渠道，会保留并重试。"),
                };
                format!("当前渠道是其备用渠道，故通知到此。{blind}{owed}")
            }
            NoticeKind::StateLost if let Some(since) = notice.since => format!(
                "存储已损坏，已用 {} 的副本恢复。此后通知过的内容可能会以相同的 ID 再次通知。\
                 损坏的数据已另行保留，可执行 `taskbell state info` 查看。",
                zone.short(since, notice.created_at)
            ),
            NoticeKind::TaskCleared => {
                let these = if notice.total == 1 { "该" } else { "这些" };
                format!(
                    "{these}记录已从云侧失败任务列表中消失。这不一定表示问题已解决：记录可能是被删除的。"
                )
            }
            kind => fixed_lead(kind).to_owned(),
        }
    }

    fn title(&self, failure: &Failure) -> String {
        let failed = if failure.generation > 1 { "再次失败" } else { "失败" };
        format!("{}{failed}", self.running(failure))
    }

    fn running(&self, failure: &Failure) -> String {
        let text = &failure.task.text;
        let own = operation(failure).map(|own| format!("任务 {own} "));
        let action = match failure.task.action {
            Action::Other => own.as_deref().unwrap_or("任务"),
            Action::Reset => "重置密钥对",
            Action::Replace => "替换密钥对",
            Action::Unbind => "解绑密钥对",
            Action::Bind => "绑定密钥对",
        };
        match (&text.server_name, &text.server_id, &text.keypair) {
            (Some(server), _, _) | (None, Some(server), _) => format!("{} {action}", short(server)),
            (None, None, Some(keypair)) => {
                let action = match failure.task.action {
                    Action::Other => action,
                    known => self.action(known),
                };
                format!("密钥对 {} {action}", short(keypair))
            }
            (None, None, None) => action.to_owned(),
        }
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Message => "错误信息",
            Label::ErrorCode => "错误码",
            Label::Advice => "处理建议",
            Label::Server => "云服务器",
            Label::Keypair => "密钥对",
            Label::Operation => "操作类型",
            Label::FailedAt => "失败时间",
            Label::StartedAt | Label::Since => "开始时间",
            Label::ClearedAt => "消除时间",
            Label::OpenFor => "持续时长",
            Label::RunningFor => "运行时长",
            Label::Recurrence => "重复发生",
            Label::FailedBefore => "此前失败",
            Label::Source | Label::TopSources => "监控源",
            Label::Task => "任务 ID",
            Label::Sink => "通知渠道",
            Label::Cause => "原因",
            Label::Detail => "详情",
            Label::Gap => "中断时长",
            Label::TopErrors => "主要错误",
            Label::TopServers => "主要服务器",
        }
    }

    fn label_columns(&self) -> usize {
        12
    }

    fn action(&self, action: Action) -> &'static str {
        match action {
            Action::Reset => "重置",
            Action::Replace => "替换",
            Action::Unbind => "解绑",
            Action::Bind => "绑定",
            Action::Other => "其他",
        }
    }

    fn duration(&self, length: Duration) -> String {
        let each = units(length).into_iter().map(|(count, unit)| match unit {
            Unit::Day => format!("{count} 天"),
            Unit::Hour => format!("{count} 小时"),
            Unit::Minute => format!("{count} 分钟"),
            Unit::Second => format!("{count} 秒"),
        });
        each.collect::<Vec<_>>().join(" ")
    }

    fn recurrence(&self, nth: u32) -> String {
        format!("24 小时内第 {nth} 次同类失败")
    }

    fn times(&self, count: u32) -> String {
        format!("{count} 次")
    }

    fn not_given(&self) -> &'static str {
        "未提供"
    }

    fn cleared_untold(&self, at: &str) -> String {
        format!("{at}（通知前已消除）")
    }

    fn ended(&self, at: &str, ending: Ending) -> String {
        let ending = match ending {
            Ending::Resolved => "任务已成功",
            Ending::StillFailed => "任务仍为失败，记录已被删除",
            Ending::Deleted => "记录已由 taskbell 删除",
        };
        format!("{at}，{ending}")
    }

    fn gap(&self, length: &str, from: &str, to: &str) -> String {
        format!("{length}（{from} 至 {to}）")
    }

    fn for_some(&self, count: Option<usize>) -> String {
        count.map_or_else(|| "其中一部分".to_owned(), |count| format!("其中 {count} 条"))
    }

    fn trouble(&self, class: &str) -> Option<&'static str> {
        Some(match class {
            "auth" => "凭证被拒绝",
            "permission" => "没有权限",
            "account_frozen" => "账号被冻结",
            "not_in_region" => "该区域未提供服务",
            "throttled" => "请求被限流",
            "clock_skew" => "时钟偏差过大",
            "tls" => "TLS 握手失败",
            "dns" => "域名解析失败",
            "network" => "网络不通",
            "timeout" => "响应超时",
            "upstream" => "云侧服务异常",
            "schema" => "响应格式异常",
            "incomplete" => "列表读取不完整",
            "request" => "请求被拒绝",
            "overdue" => "轮询未能结束",
            "not_running" => "taskbell 未在运行",
            "retry" => "重试中",
            "suspect" => "疑似配置错误",
            "gone" => "接收端已下线",
            "dead" => "已放弃投递",
            "disk_full" => "磁盘已满",
            "not_durable" => "数据未能落盘",
            "hung" => "无响应",
            "unreadable" => "无法读取",
            "damaged" => "数据已损坏",
            "newer" => "由更高版本写入",
            "closed" => "存储线程已退出",
            _ => return None,
        })
    }

    fn advice(&self, class: &str) -> Option<&'static str> {
        Some(match class {
            "auth" => "请检查访问密钥或 Token 是否有效；签名被拒后不会重试，以免访问密钥被锁定。",
            "permission" => "请为该身份授予 kps:domainKeypairs:getfailtask 权限。",
            "account_frozen" => "请结清欠费或联系客服解冻账号。",
            "not_in_region" => "请检查 region、endpoint 和 project_id，该地址未提供此服务。",
            "throttled" => "请调大 interval，或减少共用同一配额的程序。",
            "clock_skew" => "请校准本机时钟，云侧最多允许 15 分钟偏差。",
            "tls" => "请检查 endpoint 的证书以及本机的根证书。",
            "dns" => "请检查 endpoint 的拼写以及本机的 DNS 配置。",
            "network" => "请检查到 endpoint 的路由、防火墙和代理。",
            "timeout" => "请检查到 endpoint 的链路，或调大 timeout。",
            "upstream" => "云侧服务异常，taskbell 会持续轮询，一般无需处理。",
            "schema" => "该 endpoint 返回了非预期内容，请检查是否被网关或认证页面劫持。",
            "incomplete" => "读取期间列表发生变化；新的失败仍会照常通知。",
            "request" => "请检查 project_id 和 endpoint。",
            "overdue" => "请检查本机负载以及到 endpoint 的链路；taskbell 会持续轮询。",
            "suspect" => {
                "接收端拒绝了消息，疑似配置错误：请检查其地址和密钥，再执行 `taskbell sink probe`。"
            }
            "gone" => "接收端已永久下线：请更换地址，再执行 `taskbell sink probe`。",
            "disk_full" => "请为其所在磁盘腾出空间；taskbell 重新启动后会从中断处继续。",
            "not_durable" => "请检查其所在磁盘（dmesg、`taskbell doctor`），再启动 taskbell。",
            "hung" => "请检查其所在磁盘（dmesg、iostat）；磁盘恢复响应后 taskbell 会自动继续。",
            "unreadable" => "请按详情排除读取故障，再启动 taskbell。",
            "damaged" | "closed" => {
                "请重新启动 taskbell：启动时会检查全部数据，损坏的部分移至一旁，并用最新副本恢复。"
            }
            "newer" => "请安装写入该存储的版本或更高版本。",
            "retry" => "接收端无法连接或繁忙，系统会自动重试；若持续不恢复再行处理。",
            _ => return None,
        })
    }

    fn classified(&self, words: &str, class: &str) -> String {
        format!("{words}（{class}）")
    }

    fn omitted(&self, count: u32, command: &str) -> String {
        format!("其中 {count} 条未在此列出，可执行 `{command}` 查看。")
    }

    fn names(&self, names: &[&str], more: u32, command: &str) -> String {
        match (names.join("、"), more) {
            (names, 0) => names,
            (names, more) => format!("{names} 等，另有 {more} 个，可执行 `{command}` 查看全部"),
        }
    }

    fn still_open(&self, count: u32) -> String {
        format!("另有 {count} 条失败尚未消除。")
    }

    fn source_line(&self, name: &str, [kind, region, project]: [&str; 3]) -> String {
        let project = if project.is_empty() { "" } else { &format!("项目 {project}") };
        let words = [name, kind, region, project].into_iter().filter(|word| !word.is_empty());
        format!("监控源 {}", words.collect::<Vec<_>>().join(" · "))
    }

    fn coverage(&self, coverage: Coverage) -> String {
        format!(
            "近 24 小时：应轮询 {} 次，完整 {} 次，最长间隔 {}",
            coverage.polls_due,
            coverage.polls_complete,
            self.duration(Duration::from_secs(coverage.longest_gap_seconds.into())),
        )
    }

    fn written(&self, at: &str, notice: &Notice) -> String {
        format!("由 taskbell 于 {at} 发往 {} · {}", notice.sink, notice.id)
    }

    fn zone(&self, name: &str) -> String {
        format!("时间均为 {name} 时区")
    }

    fn actions(&self, counts: &[Count]) -> String {
        let each = counts.iter().map(|one| {
            let known = Action::ALL.into_iter().find(|action| action.as_str() == one.value);
            let word = known.map_or_else(|| short(&one.value), |known| self.action(known).into());
            format!("{word} {}", one.count)
        });
        each.collect::<Vec<_>>().join("、")
    }

    fn top(&self, counts: &[Count]) -> String {
        let each = counts.iter().map(|one| format!("{}（{}）", short(&one.value), one.count));
        each.collect::<Vec<_>>().join("、")
    }
}

impl Chinese {
    fn headline_of_whole(&self, notice: &Notice) -> String {
        let total = notice.total;
        let brackets = self.in_brackets(notice);
        match notice.kind {
            NoticeKind::SourceWatching => {
                format!("{}开始监控，{}", sources(notice), standing(notice.still_open))
            }
            NoticeKind::StateLost => {
                let became = if notice.since.is_some() { "已从副本恢复" } else { "丢失" };
                let of = match &notice.sources {
                    None => String::new(),
                    Some(_) => sources(notice) + "的",
                };
                format!("{of}通知记录{became}，{}", standing(notice.still_open))
            }
            NoticeKind::Test => format!("发往 {} 的测试消息", notice.sink),
            NoticeKind::StormOpened => format!("告警风暴：{total} 个任务失败{brackets}"),
            NoticeKind::StormUpdated => {
                format!(
                    "告警风暴持续：新增 {total} 个失败任务{brackets}，累计 {} 个",
                    so_far(notice)
                )
            }
            NoticeKind::StormClosed => {
                format!("告警风暴结束：累计 {} 个任务失败", so_far(notice))
            }
            NoticeKind::SinkFailing => {
                let sink = notice.trouble.as_ref().and_then(|trouble| trouble.sink.as_ref());
                let sink = sink.map_or_else(String::new, |sink| format!(" {sink} "));
                format!("通知渠道{sink}投递失败{}", self.class_in_brackets(notice))
            }
            NoticeKind::SourceBlind => {
                let class = self.class_in_brackets(notice);
                format!("{}无法获取失败任务列表{class}", sources(notice))
            }
            NoticeKind::StoreFailed => {
                let why = self.class_in_brackets(notice);
                format!("存储故障{why}，监控与通知均已停止")
            }
            NoticeKind::SourceSighted => match lasted(notice) {
                Some(length) => {
                    format!("{}恢复监控，中断 {}", sources(notice), self.duration(length))
                }
                None => format!("{}恢复监控", sources(notice)),
            },
            // The others have a headline of their own.
            _ => format!("{total} 个任务失败"),
        }
    }

    fn in_brackets(&self, notice: &Notice) -> String {
        let counts = actions(notice);
        if counts.is_empty() { String::new() } else { format!("（{}）", self.actions(&counts)) }
    }

    fn class_in_brackets(&self, notice: &Notice) -> String {
        let class = notice.trouble.as_ref().map_or("", |trouble| trouble.class.as_str());
        match self.trouble(class).unwrap_or(class) {
            "" => String::new(),
            words => format!("（{}）", short(words)),
        }
    }
}

/// How many sources it is about, if those are several.
fn sources(notice: &Notice) -> String {
    notice.sources.as_ref().map_or_else(String::new, |all| format!("{} 个监控源", all.count))
}

fn standing(count: u32) -> String {
    if count == 0 {
        "目前没有失败记录".to_owned()
    } else {
        format!("列表中已有 {count} 条失败记录")
    }
}
