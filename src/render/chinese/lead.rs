//! First sentences that need no figures of the speech's own.

use crate::{
    notice::{Notice, NoticeKind},
    render::{
        Zone,
        speech::{began, cleared_untold},
    },
};

/// What needs no figures.
pub(super) fn fixed_lead(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::SourceWatching => {
            "从现在起开始监控。已有的失败记录不再逐条通知，新发生的失败会照常通知。"
        }
        NoticeKind::StateLost => {
            "已无法判断列表中哪些失败曾经通知过，请人工查看一遍列表；此后的失败会照常通知。\
             损坏的数据已另行保留，可执行 `taskbell state info` 查看。"
        }
        NoticeKind::TaskReminder => {
            "此前已通知，目前仍在云侧失败任务列表中。如无需再提醒，请执行 `taskbell failure ack`。"
        }
        NoticeKind::StormOpened => {
            "短时间内失败过多，暂停逐条通知。期间会定期更新，结束后发送总结；每条失败均有记录。"
        }
        NoticeKind::StormUpdated => "以下为上次通知之后的新增情况。",
        NoticeKind::SourceBlind => {
            "在此期间发生的失败会延迟通知；若记录在恢复前被删除，则无法发现。"
        }
        NoticeKind::SourceSighted => "中断期间发生且仍在列表中的失败，会立即通知。",
        NoticeKind::StoreFailed => {
            "无法写入通知记录，轮询与通知均已停止。期间发生且仍在列表中的失败会在恢复后通知，未送达的通知届时会继续投递。\
             本消息不留记录，恢复之前约每小时发送一次。"
        }
        NoticeKind::TaskStuck => "运行时长已超出此类任务的正常范围。",
        // The others have figures.
        _ => "这是一条由运维人员触发的测试消息，没有任务失败。",
    }
}

/// What follows the headline of failures.
pub(super) fn lead_of_failed(notice: &Notice, zone: &Zone) -> String {
    let late = cleared_untold(notice);
    if let ([one], Some(cleared)) =
        (notice.failures.as_slice(), notice.failures.first().and_then(|one| one.cleared_at))
    {
        let failed = zone.short(began(one), notice.created_at);
        let cleared = zone.short(cleared, notice.created_at);
        return format!(
            "任务于 {failed} 失败，{cleared} 消除，通知已延迟：通知之前该记录就已从云侧列表中消失。"
        );
    }
    let lead = match notice.reason.as_str() {
        "refailed" => "此前失败过的任务再次失败。",
        "reappeared" => "此前已从列表中消失的失败记录再次出现。",
        _ => "云侧已将以下任务列为失败。",
    };
    if late == 0 {
        return lead.to_owned();
    }
    format!("{lead}其中 {late} 条在通知之前已消除。")
}
