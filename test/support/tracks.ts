import { runFfmpeg } from "./media-files.ts";

const pictures = (seconds: number) => ["-f", "lavfi", "-i", `testsrc2=s=320x180:r=25:d=${seconds}`];
const sound = (seconds: number) => ["-f", "lavfi", "-i", `anoisesrc=d=${seconds}:c=pink:r=44100`];
const black = (seconds: number) => ["-f", "lavfi", "-i", `color=black:s=320x180:r=25:d=${seconds}`];
const film = (seconds: number) => [...pictures(seconds), ...sound(seconds)];
const h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-g", "50", "-pix_fmt", "yuv420p"];
const aac = ["-c:a", "aac", "-b:a", "96k"];
const vp8 = ["-c:v", "libvpx", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8", "-g", "50"];
const cover = ["-i", "cover.png", "-map", "0:a", "-map", "1:v", "-disposition:v", "attached_pic", "-c:v", "copy"];
const fragmented = "frag_keyframe+empty_moov+default_base_moof";

const makers: Readonly<Record<string, () => Buffer>> = {
  "an MP4 with its header first": () => runFfmpeg("a.mp4", [...film(14), ...h264, ...aac, "-movflags", "faststart"]),
  "an MP4 with its header last": () => runFfmpeg("a.mp4", [...film(14), ...h264, ...aac]),
  "an MP4 with a black beginning": () =>
    runFfmpeg("a.mp4", [...black(4), ...pictures(8), "-filter_complex", "[0][1]concat=n=2", ...h264]),
  "a turned QuickTime film with its header last": () =>
    runFfmpeg("b.mov", ["-i", "a.mov", "-c", "copy", "-metadata:s:v:0", "rotate=270"], {
      "a.mov": runFfmpeg("a.mov", [...film(6), ...h264, ...aac]),
    }),
  "a QuickTime film of JPEGs": () => runFfmpeg("a.mov", [...pictures(6), "-c:v", "mjpeg", "-q:v", "4"]),
  "a 3GP film in MPEG-4": () => runFfmpeg("a.3gp", [...pictures(6), "-c:v", "mpeg4", "-q:v", "3"]),
  "a fragmented MP4 without an index": () =>
    runFfmpeg("a.mp4", [...film(14), ...h264, ...aac, "-movflags", fragmented]),
  "a fragmented MP4 with an index": () =>
    runFfmpeg("a.mp4", [...film(14), ...h264, ...aac, "-movflags", `${fragmented}+global_sidx+dash`]),
  "an M4A with a cover": () => runFfmpeg("a.m4a", [...sound(20), ...cover, ...aac]),
  "a WebM with a duration": () => runFfmpeg("a.webm", [...film(14), ...vp8, "-c:a", "libopus"]),
  "a WebM without a duration": () => runFfmpeg("a.webm", [...film(14), ...vp8, "-c:a", "libopus", "-live", "1"]),
  "a WebM whose last cluster has no video": () =>
    runFfmpeg("a.webm", [...film(14), ...vp8, "-c:a", "libopus", "-live", "1", "-cluster_time_limit", "10"]),
  "a WebM whose video ends long before its audio": () =>
    runFfmpeg("a.webm", [...pictures(2), ...sound(40), ...vp8, "-c:a", "libopus", "-b:a", "128k", "-live", "1"]),
  "a WebM of speech without a duration": () =>
    runFfmpeg("a.webm", [...sound(40), "-c:a", "libopus", "-b:a", "128k", "-live", "1"]),
  "a Matroska film": () => runFfmpeg("a.mkv", [...film(14), ...h264, ...aac]),
  "a Matroska film in MPEG-2": () => runFfmpeg("a.mkv", [...film(14), "-c:v", "mpeg2video", "-q:v", "2"]),
  "an Ogg film": () => runFfmpeg("a.ogv", [...film(14), "-c:v", "libtheora", "-q:v", "7", "-c:a", "libvorbis"]),
  "an Ogg song in Vorbis": () => runFfmpeg("a.ogg", [...sound(40), "-c:a", "libvorbis", "-q:a", "5"]),
  "an Ogg song in Opus": () => runFfmpeg("a.opus", [...sound(40), "-c:a", "libopus", "-b:a", "96k"]),
  "an Ogg song in FLAC": () => runFfmpeg("a.oga", [...sound(10), "-c:a", "flac"]),
  "an Ogg message in Speex": () => runFfmpeg("a.spx", [...sound(40), "-c:a", "libspeex", "-ar", "16000", "-ac", "1"]),
  "an MP3 with a variable bitrate": () => runFfmpeg("a.mp3", [...sound(40), "-q:a", "4"]),
  "an MP3 with a constant bitrate": () => runFfmpeg("a.mp3", [...sound(40), "-b:a", "128k", "-write_xing", "0"]),
  "an MP3 with a constant bitrate and an old tag": () =>
    runFfmpeg("a.mp3", [...sound(40), "-b:a", "96k", "-write_xing", "0", "-write_id3v1", "1", "-metadata", "title=a"]),
  "an MP3 with a variable bitrate without a count": () =>
    runFfmpeg("a.mp3", [...sound(40), "-q:a", "4", "-write_xing", "0"]),
  "a short MP3 without a count": () => runFfmpeg("a.mp3", [...sound(2), "-q:a", "4", "-write_xing", "0"]),
  "an MP3 with a cover": () => runFfmpeg("a.mp3", [...sound(40), ...cover, "-c:a", "libmp3lame"]),
  "a FLAC with a cover": () => runFfmpeg("a.flac", [...sound(10), ...cover, "-c:a", "flac"]),
  "a WAV": () => runFfmpeg("a.wav", [...sound(10)]),
  "a WAV of 64 bits": () => runFfmpeg("a.wav", [...sound(10), "-rf64", "always"]),
  "an AIFF": () => runFfmpeg("a.aiff", [...sound(10)]),
  "an AVI": () => runFfmpeg("a.avi", [...film(14), "-c:v", "mpeg4", "-q:v", "2"]),
  "an ADTS stream": () => runFfmpeg("a.aac", [...sound(10), ...aac]),
};

const made = new Map<string, Buffer>();

/** Files of audio and video whose facts lie at different places, made by ffmpeg once for all tests: some megabytes each. */
export const trackFiles: Readonly<Record<string, () => Buffer>> = Object.fromEntries(
  Object.entries(makers).map(([name, make]) => [
    name,
    () => {
      const file = made.get(name) ?? make();
      made.set(name, file);
      return file;
    },
  ]),
);
