//! Explanations in Simplified Chinese.
//!
//! What a receiver answered stays as it answered it.

use jiff::Timestamp;

use super::{
    Holder, Speech, Wording,
    event::Event,
    verdict::{self, Verdict, Why, WhyNot},
};
use crate::{
    delivery::{Delivery, Hold, LastAttempt, Outcome, Reason},
    name::Name,
    notice::NoticeKind,
    render::Language,
    silence::Silence,
};

pub(super) struct Chinese;

impl Speech for Chinese {
    fn event(&self, event: &Event<'_>, wording: &Wording) -> String {
        match event {
            Event::Failed => "任务失败（以云侧时钟为准）".to_owned(),
            Event::Recorded(failure) => format!(
                "轮询 {} 时记录（{}，第 {} 次失败）",
                failure.source,
                origin(failure.origin.as_str()),
                failure.generation
            ),
            Event::Often(nth) => Language::Chinese.recurrence(*nth),
            Event::Untold(suppressed) => match &suppressed.sink {
                Some(sink) => format!("未通知 {sink}：{}", because(&suppressed.why)),
                None => format!("未通知任何渠道：{}", because(&suppressed.why)),
            },
            Event::Opened(delivery) => self.opened(delivery),
            Event::Attempted(Delivery { id, attempts, .. }, last) => {
                let LastAttempt { latency_ms, outcome, detail, .. } = last;
                let answer = if *outcome == Outcome::Accepted { "已接收" } else { detail };
                format!("投递 {id} 第 {attempts} 次尝试，耗时 {latency_ms} 毫秒：{answer}")
            }
            Event::TriedNext(id) => format!("投递 {id} 下次尝试"),
            Event::Held(id, holder) => format!("投递 {id} 因{}暂缓", self.hold(*holder)),
            Event::Accepted(Delivery { id, sink, .. }) => format!("{sink} 已接收投递 {id}"),
            Event::GivenUp(id) => format!("投递 {id} 已放弃"),
            Event::Folded { id, into, held, without } => {
                let held = held
                    .map_or(String::new(), |holder| format!("（此前因{}暂缓）", self.hold(holder)));
                let with = if *without { "，其中不含本条失败" } else { "" };
                format!("投递 {id}{held}并入投递 {into}{with}")
            }
            Event::Ended(id, why) => format!("投递 {id} 未送出即结束：{}", because(why)),
            Event::Acknowledged(ack) => format!("{} 已确认跟进：不再提醒", ack.by),
            Event::Cleared => "已不在云侧列表中".to_owned(),
            Event::Missing(1) => "最近一次完整轮询未列出".to_owned(),
            Event::Missing(polls) => format!("最近 {polls} 次完整轮询均未列出"),
            Event::Undispatched => "等待分派".to_owned(),
            Event::Forming(sink, closes_at) => {
                format!("在发往 {sink} 的分组中等待合并，直到 {}", wording.instant(*closes_at))
            }
        }
    }

    fn verdict(&self, verdict: &Verdict<'_>, wording: &Wording) -> String {
        let why_not = |why: &WhyNot<'_>| self.why_not(why, wording);
        match verdict {
            Verdict::Told { at, by, instead_of, others } => {
                let others = others.iter().map(|other| format!("；{}", why_not(other)));
                let instead_of =
                    instead_of.map_or(String::new(), |sink| format!("（{sink} 的备用渠道）"));
                format!(
                    "已于 {} 通过 {}{instead_of} {}通知{}。",
                    wording.instant(*at),
                    by.sink,
                    as_what(by),
                    others.collect::<String>()
                )
            }
            Verdict::Untold { yet, whys } => {
                let not = if *yet { "尚未" } else { "未" };
                let whys: Vec<String> = whys.iter().map(why_not).collect();
                format!("{not}通知，原因：{}。", whys.join("；"))
            }
            Verdict::Suppressed(why) => format!("未通知，原因：{}。", because(why)),
            Verdict::Undispatched => {
                "尚未通知，原因：等待分派；由 `taskbell run` 或 `taskbell once` 完成。".to_owned()
            }
            Verdict::Baseline => "未通知，原因：首次轮询该监控源时此失败已存在。".to_owned(),
            Verdict::Reappeared => "未通知，原因：消除后不久再次出现。".to_owned(),
            Verdict::Forgotten(routed) => {
                let sinks: Vec<&str> = routed.iter().map(Name::as_str).collect();
                let today = match sinks.as_slice() {
                    [] => "按当前路由不会通知任何渠道".to_owned(),
                    sinks => format!("按当前路由会发往 {}", sinks.join("、")),
                };
                format!("未通知，或投递记录已超过保留期；{today}。")
            }
        }
    }

    fn kind(&self, kind: NoticeKind) -> &'static str {
        match kind {
            NoticeKind::TaskFailed => "任务失败",
            NoticeKind::TaskCleared => "已消除",
            NoticeKind::TaskReminder => "提醒",
            NoticeKind::TaskStuck => "长时间未结束",
            NoticeKind::Digest => "汇总",
            NoticeKind::StormOpened => "告警风暴",
            NoticeKind::StormUpdated => "告警风暴持续",
            NoticeKind::StormClosed => "告警风暴结束",
            NoticeKind::SourceWatching => "开始监控",
            NoticeKind::SourceBlind => "无法获取列表",
            NoticeKind::SourceSighted => "恢复监控",
            NoticeKind::StateLost => "通知记录丢失",
            NoticeKind::SinkFailing => "通知渠道投递失败",
            NoticeKind::Test => "测试",
            NoticeKind::StoreFailed => "存储故障",
        }
    }

    fn hold(&self, Holder { by, silence }: Holder<'_>) -> String {
        match (by, silence) {
            (Hold::Silence(number), Some(Silence { author, comment, .. })) => {
                format!("静默 {number}（{author}：{comment}）")
            }
            (Hold::Silence(number), None) => format!("静默 {number}"),
            (Hold::Window(name, _), _) => format!("免打扰时段 {name} "),
            (Hold::Digest(_), _) => "路由的定时汇总".to_owned(),
            (Hold::Storm, _) => "告警风暴".to_owned(),
            (Hold::Disabled, _) => "通知渠道已停用".to_owned(),
        }
    }
}

impl Chinese {
    fn opened(&self, delivery: &Delivery) -> String {
        let Delivery { id, sink, route, total, reason, .. } = delivery;
        let kind = self.kind(delivery.kind);
        let by = if *route == 0 { "建立".to_owned() } else { format!("路由 {route} 建立") };
        let reason = occasion(reason);
        let instead_of = verdict::stood_in_for(delivery)
            .map_or(String::new(), |failing| format!("（{failing} 的备用渠道）"));
        format!("{by}投递 {id}（{kind}，{total} 条失败，{reason}），发往 {sink}{instead_of}")
    }

    fn why_not(&self, WhyNot { sinks, why }: &WhyNot<'_>, wording: &Wording) -> String {
        let names: Vec<&str> = sinks.iter().map(|sink| sink.as_str()).collect();
        let sink = names.join("、");
        let answered = |answer: Option<&str>| answer.unwrap_or("尚未尝试").to_owned();
        let at = |at: &Option<Timestamp>| {
            at.map_or(String::new(), |at| format!("，时间：{}", wording.instant(at)))
        };
        let until = |at: &Option<Timestamp>| {
            at.map_or(String::new(), |at| format!("，直到 {}", wording.instant(at)))
        };
        match why {
            Why::Forming { closes_at } => {
                format!("正在等待合并，直到 {}；之后发往 {sink}", wording.instant(*closes_at))
            }
            Why::Pending { answer, next } => format!(
                "{sink} 尚未接收（{}），下次尝试：{}",
                answered(*answer),
                wording.instant(*next)
            ),
            Why::Held { holder, until: end } => {
                format!("发往 {sink} 的通知因{}暂缓{}", self.hold(*holder), until(end))
            }
            Why::ToBeDropped { holder, until: end } => {
                format!("发往 {sink} 的通知因{}暂缓{}，之后丢弃", self.hold(*holder), until(end))
            }
            Why::Digest { due } => format!("将随路由的定时汇总发往 {sink}{}", at(due)),
            Why::Storm { next } => {
                format!("{sink} 处于告警风暴中，将随下次更新通知{}", at(next))
            }
            Why::Disabled { answer } => format!(
                "{sink} 称自己已下线（{}）；修复后请执行 `taskbell sink probe {sink}`",
                answered(*answer)
            ),
            Why::Dead { id, answer } => format!(
                "{sink} 未能按时接收（{}）；修复后请执行 `taskbell delivery retry {id}`",
                answered(*answer)
            ),
            Why::Ended(why) => because(why),
        }
    }
}

fn because(why: &Reason) -> String {
    match why {
        Reason::NoRoute => "没有匹配的路由".to_owned(),
        Reason::NullRoute(route) => format!("路由 {route} 不通知任何渠道"),
        Reason::Silence(number) => format!("静默 {number} 丢弃其暂缓的通知"),
        Reason::Cleared => "暂缓期间已消除".to_owned(),
        Reason::Operator => "运维人员已取消".to_owned(),
    }
}

fn origin(word: &str) -> &str {
    match word {
        "baseline" => "首次轮询时已存在",
        "new" => "新出现",
        "refailed" => "再次失败",
        "reappeared" => "再次出现",
        other => other,
    }
}

/// Why a delivery was opened; a word that is not known as it is.
fn occasion(word: &str) -> &str {
    match word {
        "cleared" => "已消除",
        "schedule" => "定时汇总",
        "silence_ended" => "静默结束",
        "window_ended" => "免打扰结束",
        "outage_ended" => "渠道恢复",
        "storm" => "告警风暴",
        "reminder" => "提醒",
        "not_delivered" => "未能送达",
        "mixed" => "多种情形",
        other => origin(other),
    }
}

fn as_what(delivery: &Delivery) -> String {
    let count = delivery.total;
    match delivery.kind {
        NoticeKind::TaskFailed | NoticeKind::SinkFailing => String::new(),
        NoticeKind::Digest => format!("以 {count} 条的汇总"),
        _ => format!("以 {count} 条的告警风暴消息"),
    }
}
