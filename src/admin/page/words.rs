//! The words of the page, in each language.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Serialize;

use crate::render::Language;

/// One language's words, by key.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Words(BTreeMap<&'static str, &'static str>);

static ENGLISH: LazyLock<Words> =
    LazyLock::new(|| Words(WORDS.iter().map(|(key, english, _)| (*key, *english)).collect()));

static CHINESE: LazyLock<Words> =
    LazyLock::new(|| Words(WORDS.iter().map(|(key, _, chinese)| (*key, *chinese)).collect()));

impl Words {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::Chinese => &CHINESE,
        }
    }

    /// The text of a key; the key itself if there is none, which a test excludes.
    pub(super) fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.find(key).unwrap_or(key)
    }

    pub(super) fn find(&self, key: &str) -> Option<&'static str> {
        self.0.get(key).copied().filter(|text| !text.is_empty())
    }

    /// The same with its places filled.
    pub(super) fn with(&self, key: &str, places: &[(&str, &str)]) -> String {
        let text = self.get(key).to_owned();
        places.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    /// The word of one of `group`, such as a notice's kind; as it is if there is none.
    pub(super) fn of_group(&self, group: &str, word: &str) -> String {
        self.find(&format!("{group}_{word}")).unwrap_or(word).to_owned()
    }

    /// The word for a delivery's state.
    pub(super) fn state(&self, state: &str) -> &'static str {
        self.find(&format!("state_{state}")).unwrap_or_default()
    }
}

/// The key of the sentence that says that an order was done.
pub(super) fn done(order: &str) -> Option<&'static str> {
    let wanted = format!("done_{order}");
    WORDS.iter().map(|(key, _, _)| *key).find(|key| **key == wanted)
}

const WORDS: &[(&str, &str, &str)] = &[
    ("overview", "Overview", "总览"),
    ("failures", "Failures", "失败任务"),
    ("deliveries", "Deliveries", "通知投递"),
    ("sources", "Sources", "监控源"),
    ("sinks", "Sinks", "通知渠道"),
    ("silences", "Silences", "静默"),
    ("colon", ": ", "："),
    ("skip", "Skip to the content", "跳到正文"),
    ("main_menu", "Pages", "页面"),
    ("sign_in", "Sign in", "登录"),
    ("sign_out", "Sign out", "退出"),
    ("theme_auto", "Theme: as the system", "主题：跟随系统"),
    ("theme_light", "Theme: light", "主题：浅色"),
    ("theme_dark", "Theme: dark", "主题：深色"),
    ("live", "live", "实时"),
    ("offline", "no connection", "连接中断"),
    ("times_in", "Times in {zone}", "时间以 {zone} 为准"),
    ("now", "now", "刚刚"),
    ("time_ago", "{time} ago", "{time}前"),
    ("in_time", "in {time}", "{time}后"),
    ("unit_s", "{n} s", "{n} 秒"),
    ("unit_min", "{n} min", "{n} 分钟"),
    ("unit_h", "{n} h", "{n} 小时"),
    ("unit_d", "{n} d", "{n} 天"),
    // The verdict.
    (
        "verdict_well",
        "Every list is seen, and everybody is told.",
        "所有列表均可见，通知均已送达或正在投递。",
    ),
    ("verdict_waiting", "Waiting for the first poll.", "等待首次轮询。"),
    ("verdict_blind_one", "Blind: {name} is not seen.", "失明：看不到 {name} 的列表。"),
    ("verdict_blind", "Blind: {n} lists are not seen.", "失明：{n} 个列表不可见。"),
    ("verdict_shut_one", "{name} does not take its notices.", "{name} 不接收通知。"),
    ("verdict_shut", "{n} sinks do not take their notices.", "{n} 个通知渠道不接收通知。"),
    ("verdict_dead", "Notices were given up: {n}.", "有 {n} 条通知已放弃。"),
    ("figure_seen", "Lists seen", "可见列表"),
    ("figure_standing", "Failures standing", "未消除的失败"),
    ("figure_day", "Failed in 24 h", "24 小时内失败"),
    ("figure_owed", "Notices owed", "待投递通知"),
    ("figure_held", "Held", "已暂缓"),
    ("figure_dead", "Dead", "已放弃"),
    ("oldest", "oldest {time}", "最早 {time}前"),
    ("oldest_label", "oldest", "最早"),
    // Sources.
    ("source_seen", "seen", "可见"),
    ("source_blind", "blind", "失明"),
    ("source_trouble", "in trouble", "异常"),
    ("source_waiting", "not polled yet", "尚未轮询"),
    ("source_more", "{n} more are as they should be.", "另有 {n} 个正常。"),
    ("last_complete", "Last complete poll", "上次完整轮询"),
    ("never", "never", "从未"),
    ("standing", "standing", "未消除"),
    ("coverage", "24 h coverage", "24 小时覆盖率"),
    (
        "coverage_text",
        "{percent} % of the polls of 24 hours were complete",
        "24 小时内 {percent}% 的轮询完整",
    ),
    ("coverage_none", "No polls in 24 hours", "24 小时内没有轮询"),
    ("longest_gap", "longest gap", "最长间隔"),
    ("no_sources", "No source is configured.", "没有配置监控源。"),
    // Failures.
    ("open", "open", "未消除"),
    ("cleared", "cleared", "已消除"),
    ("told_nobody", "nobody told", "未通知"),
    ("no_failures", "No failure is on record.", "没有失败记录。"),
    ("no_match", "Nothing here matches.", "没有匹配的记录。"),
    ("unnamed", "no server named", "未指明云服务器"),
    ("latest", "Latest failures", "最近的失败"),
    ("all_failures", "All failures", "全部失败"),
    ("by_hour", "Failures by hour and action", "按小时和操作统计的失败"),
    (
        "chart_label",
        "Failures of the last 24 hours, by hour and action: {n}",
        "最近 24 小时的失败数，按小时和操作：{n}",
    ),
    ("as_table", "As a table", "以表格显示"),
    ("hour", "Hour", "小时"),
    ("filter", "Filter", "筛选"),
    ("all", "all", "全部"),
    ("reset", "Reset", "重置"),
    ("source", "Source", "监控源"),
    ("action", "Action", "操作"),
    ("state", "State", "状态"),
    ("server", "Server", "云服务器"),
    ("text", "Text", "文本"),
    ("older", "Older", "更早"),
    ("newest", "Newest", "最新"),
    // One failure.
    ("what_happened", "What happened", "经过"),
    ("still_to_come", "to come", "待发生"),
    ("details", "Details", "详情"),
    ("task", "Task", "任务 ID"),
    ("operate_type", "Operate type", "操作类型"),
    ("error", "Error", "错误信息"),
    ("keypair", "Key pair", "密钥对"),
    ("failed_at", "Failed", "失败时间"),
    ("first_seen", "First seen", "首次发现时间"),
    ("cleared_at", "Cleared", "消除时间"),
    ("origin", "Origin", "记录原因"),
    ("origin_text", "{origin}, generation {n}", "{origin}，第 {n} 次失败"),
    ("missing_polls", "not listed by the last {n} complete polls", "最近 {n} 次完整轮询中未列出"),
    ("looked_after", "Looked after by {by}", "由 {by} 跟进"),
    ("acknowledge", "Acknowledge", "确认跟进"),
    ("unacknowledge", "Take back", "取消确认"),
    ("your_name", "Your name", "你的姓名"),
    ("comment", "Comment", "备注"),
    ("name_needed", "Say who looks after it: the name is empty.", "请填写跟进人：姓名为空。"),
    ("origin_baseline", "baseline", "首次轮询时已存在"),
    ("origin_new", "new", "新出现"),
    ("origin_refailed", "refailed", "再次失败"),
    ("origin_reappeared", "reappeared", "再次出现"),
    // Deliveries.
    ("state_pending", "pending", "待投递"),
    ("state_held", "held", "已暂缓"),
    ("state_delivered", "told", "已送达"),
    ("state_dead", "dead", "已放弃"),
    ("state_folded", "folded", "已合并"),
    ("state_suppressed", "suppressed", "已抑制"),
    ("sink", "Sink", "通知渠道"),
    ("n_attempts", "attempts: {n}", "尝试 {n} 次"),
    ("next_try", "next try {time}", "下次尝试 {time}"),
    ("settled", "done {time}", "{time} 结束"),
    ("of_delivery", "Of delivery {n}", "投递 {n} 涉及的失败"),
    ("one_failure", "failure {n}", "失败 {n}"),
    ("n_failures", "{n} failures", "{n} 条失败"),
    ("retry", "Retry now", "立即重试"),
    ("last_answer", "Last answer", "最近答复"),
    ("held_by", "held by {by}", "暂缓原因：{by}"),
    ("no_deliveries", "No delivery is on record.", "没有投递记录。"),
    // Sinks.
    ("sink_open", "takes notices", "正常接收"),
    ("sink_shut", "breaker open", "已熔断"),
    ("sink_disabled", "disabled: it says that it is gone", "已停用：接收端已下线"),
    ("sink_catching_up", "catching up", "正在补发"),
    ("sink_storm", "in storm", "告警风暴中"),
    ("storm_since", "in storm since", "告警风暴开始于"),
    ("sink_failing", "failing", "投递失败"),
    ("sink_dead", "takes notices; some were given up", "正常接收；有通知已放弃"),
    ("sink_gone", "not in the config", "不在配置中"),
    ("test", "Send a test", "发送测试"),
    ("replay", "Replay the dead", "重发已放弃的"),
    (
        "test_accepted",
        "{sink} took the test message in {ms} ms.",
        "{sink} 在 {ms} 毫秒内接收了测试消息。",
    ),
    ("test_refused", "{sink} did not take the test message.", "{sink} 没有接收测试消息。"),
    ("failing_since", "failing since", "开始失败于"),
    // Silences.
    ("silence_active", "holds", "生效中"),
    ("silence_pending", "to come", "未开始"),
    ("silence_ended", "ended", "已结束"),
    ("no_silences", "Nothing is silenced.", "没有静默。"),
    ("until", "until", "直到"),
    ("end_now", "End now", "立即结束"),
    ("add_silence", "Add a silence", "添加静默"),
    ("matchers", "Conditions, one a line", "条件，每行一个"),
    (
        "matchers_hint",
        "such as server_name =~ \"web-.*\"; all must hold",
        "例如 server_name =~ \"web-.*\"；须全部满足",
    ),
    ("for_hours", "Hours", "小时数"),
    ("drops", "tells nothing at the end", "结束时不通知"),
    ("drop_label", "Tell nothing at the end", "结束时不通知"),
    // Orders.
    ("token", "Token", "令牌"),
    ("token_hint", "That of [status] in the config", "配置中 [status] 的令牌"),
    ("token_wrong", "That is not the token.", "令牌不正确。"),
    (
        "token_none",
        "No token is configured, so nothing can be changed from here: set token in [status], or use the commands.",
        "没有配置令牌，无法在此操作：请在 [status] 中设置 token，或使用命令行。",
    ),
    (
        "sign_in_to_act",
        "Sign in to acknowledge, silence, retry or test",
        "登录后可确认、静默、重试或测试",
    ),
    ("back", "Back", "返回"),
    ("problem_not_found", "There is no such thing here", "没有此记录"),
    ("problem_bad_request", "That cannot be asked like this", "请求不正确"),
    ("problem_other", "That did not work", "操作失败"),
    ("not_done", "That was not done", "操作未完成"),
    ("done_ack", "Acknowledged: no more reminders of it.", "已确认：不再提醒。"),
    ("done_unack", "No longer acknowledged.", "已取消确认。"),
    ("done_silence", "The silence holds from now on.", "静默已生效。"),
    ("done_expire", "The silence has ended.", "静默已结束。"),
    ("done_retry", "It is tried now.", "正在重试。"),
    ("done_replay", "The dead are due again.", "已放弃的通知将重新投递。"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_every_word_and_the_same_places() {
        let mut keys: Vec<_> = WORDS.iter().map(|(key, _, _)| *key).collect();
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "a key is there twice");
        let places = |text: &str| -> Vec<String> {
            let mut found: Vec<_> = text
                .split('{')
                .skip(1)
                .filter_map(|part| part.split_once('}'))
                .map(|(name, _)| name.to_owned())
                .collect();
            found.sort();
            found
        };
        for (key, english, chinese) in WORDS {
            assert!(!chinese.is_empty(), "{key}");
            assert!(!english.is_empty(), "{key}");
            assert_eq!(places(english), places(chinese), "{key}");
        }
        for class in crate::source::FaultClass::ALL.map(crate::source::FaultClass::as_str) {
            assert!(Language::Chinese.trouble(class).is_some(), "{class}");
            assert!(Language::Chinese.advice(class).is_some(), "{class}");
        }
    }
}
