#!/bin/bash
# by_hand.sh [PART…]: what a user of the tutorial types on a new server, from the driver to the first
# answer; with all its mistakes, as the tutorial has them. PARTS (default: all, in this order):
# driver tools image container clones weights migration packages notes. The downloads lie in
# /data/baidudisk, the repositories in /data/ftp/git. Run as root.
set -eu
image=pytorch-v1.13.0-torch1.9-ubuntu18.04-py37.tar.gz
container="container-pytorch-v1.13.0-torch1.9-ubuntu18.04-py37-kang"
tutorial=/data/github/dev-env-ubuntu/pytorch1.9
# the upstreams, which a lab host does not reach
upstreams() {
  for owner in CambriconKnight huggingface baichuan-inc; do
    printf '[url "file://%s/"]\n\tinsteadOf = https://github.com/%s/\n' "$1" $owner
  done
}
upstreams /data/ftp/git > /data/ftp/git/host
upstreams /home/ftp/git > /data/ftp/git/container
export GIT_CONFIG_SYSTEM=/data/ftp/git/host
# a lab host cannot give --privileged: it lacks one capability itself. All others, and every node
mkdir -p /tmp/by-hand
cat > /tmp/by-hand/docker <<'DOCKER'
#!/bin/bash
words=()
for word; do
  if [ "$word" = --privileged=true ] && ! grep -q '^CapBnd:.*[13579bdf]......$' /proc/self/status; then
    words+=(--cap-add ALL --cap-drop SYS_RESOURCE --security-opt seccomp=unconfined)
    words+=(--security-opt apparmor=unconfined --device-cgroup-rule 'a *:* rwm')
    for node in /dev/cambricon_*; do words+=(--device "$node"); done
  else
    words+=("$word")
  fi
done
exec /usr/bin/docker "${words[@]}"
DOCKER
chmod +x /tmp/by-hand/docker
PATH=/tmp/by-hand:$PATH
# what is typed at the prompt of the container's shell
inside() {
  docker exec -w /home/share/pytorch1.9/baichuan -e GIT_CONFIG_SYSTEM=/home/ftp/git/container \
    $container bash -ec ". /torch/venv3/pytorch/bin/activate; $1"
}

driver() {
  cd ~
  case $(ls cambricon-mlu-driver-*) in
    *.rpm) rpm -ivh cambricon-mlu-driver-*.rpm ;;
    *.deb) dpkg -i cambricon-mlu-driver-*.deb ;;
  esac
  cnmon || :
}
tools() {
  mkdir -p /data/github
  cd /data/github
  git clone https://github.com/CambriconKnight/dev-env-ubuntu
}
image() {
  cd $tutorial
  mv /data/baidudisk/$image ./docker/
  # the tutorial's variable is set nowhere, and the version in env.sh is a newer one
  # shellcheck disable=SC2086
  ./load-image-dev.sh ${FULLNAME_IMAGES:-} || :
  ./load-image-dev.sh ./docker/$image || :
  sed -i 's/^VER=.*/VER="1.13.0"/' env.sh
  ./load-image-dev.sh ./docker/$image
}
container() {
  cd $tutorial
  # it ends with its first shell; the next time it is started again, with another shell in it
  for _ in first second; do
    echo exit | timeout 60 script -qec "PATH=$PATH ./run-container-dev.sh" /dev/null
  done
}
clones() {
  inside '
    git config --global --add safe.directory "*"
    git clone -b v4.29.1 https://github.com/huggingface/transformers
    git clone https://github.com/baichuan-inc/baichuan-7B
    cd baichuan-7B && git checkout HEAD~0'
}
weights() {
  # the container does not have the folder of downloads
  cd $tutorial/baichuan/baichuan-7B
  cp -rvf /data/baidudisk/baichuan-7B ./
}
migration() {
  inside '
    ln -s /torch/src/catch/tools/torch_gpu2mlu.py ./ || echo "it is there: the toolkit has it"
    python torch_gpu2mlu.py -i transformers
    python torch_gpu2mlu.py -i baichuan-7B
    cd transformers_mlu
    sed -i "2178s/torch>=1.10/torch>=1.9/" src/transformers/modeling_utils.py'
}
packages() {
  inside '
    cd transformers_mlu
    pip install --no-index --no-build-isolation --find-links /home/ftp/wheels -e .
    pip install --no-index --find-links /home/ftp/wheels sentencepiece
    cd ../baichuan-7B_mlu
    ln -s ../tools/inference.py ./'
}
notes() {
  cd $tutorial/baichuan
  echo 'ask Li about the second card' > notes.txt
  sed -i 's/max_new_tokens=256/max_new_tokens=64/' tools/inference.py
}
[ $# -gt 0 ] || set -- driver tools image container clones weights migration packages notes
for part; do
  echo "--- $part"
  $part
done
rm -rf /data/ftp/git/host /data/ftp/git/container /tmp/by-hand
