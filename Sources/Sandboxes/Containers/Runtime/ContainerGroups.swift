internal import Foundation
internal import Glibc

/// The control groups that runtimes make for a container, by the container's name, wherever they are: below the
/// launcher's, and at the top of trees in which the launcher has none.
enum ContainerGroups {
    private static let trees = "/sys/fs/cgroup"

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

    /// Removes them; one that still holds a process stays.
    static func remove(_ id: String) {
        for group in find(id) {
            for child in ImageFiles.names(group) { rmdir(group + "/" + child) }
            rmdir(group)
        }
    }

    /// Ids are of ours and hold no characters that mean anything in a path.
    private static func find(_ id: String) -> [String] {
        var found: [String] = []
        let tops = ImageFiles.names(trees).map { trees + "/" + $0 } + [trees]
        for top in tops {
            for place in [top] + launcherGroups(top) {
                let group = place + "/" + id
                if access(group, F_OK) == 0 { found.append(group) }
            }
        }
        return found
    }

    /// Groups that the launcher made below a tree's top: `weir…` and what is in them.
    private static func launcherGroups(_ top: String) -> [String] {
        ImageFiles.names(top).filter { $0.hasPrefix("weir") }.flatMap { name in
            let group = top + "/" + name
            return [group] + ImageFiles.names(group).map { group + "/" + $0 }
        }
    }
}
