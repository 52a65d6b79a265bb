internal import Foundation
internal import Glibc

/// The control groups that runtimes make for a container, by the container's name, wherever they are: below the
/// launcher's, and at the top of trees in which the launcher has none.
enum ContainerGroups {
    /// Kills what is in a container's groups; how many processes there were.
    static func kill(_ id: String) -> Int {
        var pids: Set<pid_t> = []
        for group in find(id) {
            let text = (try? String(contentsOfFile: group + "/cgroup.procs", encoding: .utf8)) ?? ""
            for line in text.split(separator: "\n") {
                if let pid = pid_t(line), pid > 1 { pids.insert(pid) }
            }
        }
        for pid in pids { Glibc.kill(pid, SIGKILL) }
        return pids.count
    }

    /// Whether the kernel ended a process in them for want of memory (cgroups(7): v1 `memory.oom_control`, v2
    /// `memory.events`).
    static func wereOutOfMemory(_ id: String) -> Bool {
        for group in find(id) {
            for file in ["/memory.oom_control", "/memory.events"] {
                guard let text = try? String(contentsOfFile: group + file, encoding: .utf8) else { continue }
                for line in text.split(separator: "\n") where line.hasPrefix("oom_kill ") {
                    if line.dropFirst(9) != "0" { return true }
                }
            }
        }
        return false
    }

    /// Removes them; one that still holds a process stays.
    static func remove(_ id: String) {
        for group in find(id) {
            for child in ImageFiles.names(group) { _ = rmdir(group + "/" + child) }
            rmdir(group)
        }
    }

    /// Ids are of ours and hold no characters that mean anything in a path.
    private static func find(_ id: String) -> [String] {
        var found: [String] = []
        for place in Set(Hierarchy.all().flatMap(\.candidates)) {
            for parent in [place] + launcherGroups(place) where access(parent + "/" + id, F_OK) == 0 {
                found.append(parent + "/" + id)
            }
        }
        return found
    }

    /// Groups that launchers made: `weir-…`, and in them one for each worker.
    private static func launcherGroups(_ place: String) -> [String] {
        ImageFiles.names(place).filter { $0.hasPrefix("weir-") }.flatMap { name in
            let group = place + "/" + name
            return [group] + ImageFiles.names(group).filter { UInt64($0) != nil }.map { group + "/" + $0 }
        }
    }
}
