# shellcheck shell=bash
# Background processes with pid files. Sourced after lib.sh.
#
# Guarantee: a process is signalled only while it is the very one that was started here. A pid file holds the pid and the
# kernel's start time of the process, since pids are used again.
#
# Expects: STATE_DIR with the folders run/ and log/.

pid_file() { echo "$STATE_DIR/run/$1.pid"; }
log_file() { echo "$STATE_DIR/log/$1.log"; }

# When a process started, in clock ticks since boot; empty when there is no such process.
start_time_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    # The program's name may hold spaces, so count after its closing bracket.
    awk '{print $20}' <<<"${stat##*) }"
}

# The pid of a process that was started here and still runs; empty otherwise.
running_pid() {
    local pid started
    [[ -r $(pid_file "$1") ]] || return 0
    read -r pid started <"$(pid_file "$1")" || return 0
    if [[ -n $started && $(start_time_of "$pid") == "$started" ]] && ! is_zombie "$pid"; then echo "$pid"; fi
}

is_zombie() { [[ $(sed -E 's/.*\) (.).*/\1/' "/proc/$1/stat" 2>/dev/null) == Z ]]; }
is_running() { [[ -n $(running_pid "$1") ]]; }

# remember_process NAME PID
remember_process() { printf '%s %s\n' "$2" "$(start_time_of "$2")" >"$(pid_file "$1")"; }

# start_process NAME COMMAND…: in a session of its own, so that Ctrl-C in the terminal does not reach it.
start_process() {
    local name=$1
    shift
    # Descriptor 9 is the lock of whoever calls.
    setsid "$@" >>"$(log_file "$name")" 2>&1 </dev/null 9>&- &
    remember_process "$name" "$!"
    disown "$!"
}

# stop_process NAME SECONDS: asks, waits, and ends it by force when the time is over.
stop_process() {
    local name=$1 pid
    pid=$(running_pid "$name")
    if [[ -n $pid ]]; then
        kill -TERM "$pid" 2>/dev/null || true
        if ! wait_until "$2" is_stopped "$name"; then
            complain "$name did not stop within $2 s and is killed"
            kill -KILL "$pid" 2>/dev/null || true
            wait_until 5 is_stopped "$name" || die "$name cannot be stopped"
        fi
    fi
    rm -f "$(pid_file "$name")"
}

is_stopped() { ! is_running "$1"; }

show_log_tail() {
    complain "the end of $(log_file "$1"):"
    tail -n 25 "$(log_file "$1")" >&2 || true
}

# wait_ready NAME SECONDS COMMAND…: until the command succeeds; shows the log and stops when it does not or the process ended.
wait_ready() {
    local name=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! is_running "$name"; then
            show_log_tail "$name"
            die_unavailable "$name ended at its start"
        fi
        if ((SECONDS >= deadline)); then
            show_log_tail "$name"
            die_unavailable "$name was not ready in time"
        fi
        sleep 0.1
    done
}

is_listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
