/// Between the thread that reads inotify and the source.
package typealias RecordQueue = WaitingQueue<InotifyRecord>
