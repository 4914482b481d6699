# What a guest does with its disk. Sourced by every order, which then calls one of these.
disk=/dev/etherd/e107.3
sys=/sys/block/etherd!e107.3
set -e -o pipefail

# Waits for the disk, asking for it again from time to time, as an admin would by aoe-discover.
discover() {
    for i in $(seq 300); do
        [ "$(cat $sys/size 2>/dev/null || echo 0)" != 0 ] && break
        [ $((i % 30)) != 0 ] || echo >/dev/etherd/discover
        usleep 200000
    done
    echo "sectors $(cat $sys/size)"
    echo "state $(cat $sys/state)"
    echo "payload $(cat $sys/payload)"
    echo "mac $(cat $sys/mac)"
}

# Brings a disk back that the driver has given up, as aoe-revalidate does. It says "up" then, and asks for its size.
revalidate() {
    for i in $(seq 100); do
        echo e107.3 >/dev/etherd/revalidate || true
        usleep 200000
        [ "$(cat $sys/state)" != up ] || [ "$(cat $sys/size)" = 0 ] || return 0
    done
    return 1
}

# Nothing is left for later, so that all of it is written now.
make_fs() { mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 $disk; }

mount_fs() { mount -t ext4 $disk /mnt; }

# Files, some big, many small. Their sums, made from the page cache, stay outside of the disk.
files() {
    mkdir -p /mnt/big /mnt/small
    for i in $(seq 3); do head -c 4m /dev/urandom >/mnt/big/$i; done
    for i in $(seq 200); do head -c $((i * 97)) /dev/urandom >/mnt/small/$i; done
    (cd /mnt && find big small -type f | sort | xargs sha256sum) >/tmp/sums
    sync
}

# The same blocks again and again, past the page cache: a copy of an earlier round that comes late shows at once.
# $1: rounds.
rewrite() {
    for round in $(seq "$1"); do
        yes "this is round $round" | head -c 1m >/tmp/want || true
        dd if=/tmp/want of=/mnt/rewritten bs=64k conv=notrunc oflag=direct 2>/dev/null
        dd if=/mnt/rewritten bs=64k iflag=direct 2>/dev/null | cmp /tmp/want -
        echo "ROUND $round"
    done
}

# Random writes past the page cache, many at a time, each block with a checksum of its own. $1: how often.
random() {
    fio --name=random --filename=/mnt/random --size=8m --rw=randwrite --bsrange=4k-32k --direct=1 --ioengine=libaio \
        --iodepth=32 --loops="$1" --verify=crc32c --do_verify=1 --verify_fatal=1 --randrepeat=0
}

# Both at once. $1: rounds, $2: how often.
busy() {
    random "$2" >/tmp/random 2>&1 &
    rewrite "$1"
    wait $! || { cat /tmp/random; exit 1; }
}

# After another mount nothing comes from the page cache.
again() {
    umount /mnt
    mount_fs
    (cd /mnt && sha256sum -c /tmp/sums) | grep -v ': OK$' && exit 1
    cmp /tmp/want /mnt/rewritten
    umount /mnt
}

check() { e2fsck -fn $disk; }

# What the driver has had to send again, as far as it remembers; to be read once.
resends() {
    timeout 1 cat /dev/etherd/err >/tmp/err 2>/dev/null || true
    echo "the driver sent $(grep -c retransmit /tmp/err) frames again"
    tail -n 3 /tmp/err
}
