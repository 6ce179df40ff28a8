// Everything the page says, in both of its languages, and the texts it offers to start with.

export const FATES = ["token", "plausible", "redact", "block", "keep"];

export const WORDS = {
  en: {
    page: "en",
    title: "Masquerade: private data stays here",
    skip: "Skip to the text",
    language: "Language",
    theme: "Dark appearance",
    headline: "Private data stays here. The answer comes back whole.",
    leaves: "Only the second column leaves this machine. What a token stands for stays, and so does the key; what is not marked goes as typed.",
    examples: "Examples",
    live: "Answer when I pause",
    ask: "Ask the model",
    typed: "What you typed",
    saw: "What the model saw",
    answered: "What it answered",
    back: "What you got back",
    here: "stays here",
    away: "leaves",
    returns: "comes in",
    hint: "Type or paste something private",
    keys: "Left and right arrows move between marked values.",
    copy: "Copy",
    copied: "Copied",
    fates: "What becomes of each kind",
    none: "Nothing private found.",
    reset: "Back to the policy",
    all: "All kinds",
    fewer: "Only what was found",
    meaning: "What the five mean",
    connect: "Connect your program",
    connectWhy:
      "Point your client at this address. Models, streaming and tools work as before, and your own key is passed on.",
    changed: "The marked lines are the whole change.",
    fate: { token: "token", plausible: "plausible", redact: "redact", block: "block", keep: "keep" },
    done: { token: "token", plausible: "plausible", redact: "redacted", block: "blocked", keep: "kept" },
    means: {
      token: "An opaque stand-in, the same every time, put back in the answer.",
      plausible: "A realistic value from a reserved range, put back in the answer.",
      redact: "Removed for good: neither the model nor the answer has it.",
      block: "Nothing is sent while the text contains it.",
      keep: "Sent as it is.",
    },
    policy: "by policy",
    fateOf: (kind) => `What becomes of ${kind}`,
    found: (n) => (n ? `${n} private ${n === 1 ? "value" : "values"} found` : "nothing private found"),
    characters: (n) => `${n.toLocaleString("en")} ${n === 1 ? "character" : "characters"}`,
    masking: (ms) => `masked in ${ms} ms`,
    answering: (ms) => `answered in ${ms} ms`,
    restored: (n) => `${n} put back`,
    gone: (n, kinds) => `${n} redacted, not put back: ${kinds}`,
    join: ", ",
    waiting: "Waiting for you to pause.",
    press: (keys) => `Press ${keys} to ask the model.`,
    asking: "Asking the model.",
    empty: "Nothing to send yet.",
    emptyAnswer: "The model gave an empty answer.",
    announce: (found, kinds, ms) => `${found}${kinds ? `: ${kinds}` : ""}; masked in ${ms} ms.`,
    answerHere: "The answer is back.",
    problem: {
      blocked: (kinds) => ["Nothing was sent.", `The policy blocks text that contains ${kinds || "this"}.`],
      large: () => ["Nothing was sent.", "The text is larger than this gateway accepts."],
      lost: () => ["The gateway does not answer.", "Is it still running?"],
      refused: (said) => ["Nothing was sent.", said || "The gateway refused this request."],
      upstream: (said) => ["The model service gave no answer.", said || "Try again in a moment."],
      unfinished: () => ["No answer.", "What is wrong is said beside it."],
    },
    again: "Try again",
  },
  zh: {
    page: "zh-Hans",
    title: "Masquerade：私密数据不出本机",
    skip: "跳到文本",
    language: "语言",
    theme: "深色外观",
    headline: "私密数据留在本机，回答完整归来。",
    leaves: "只有第二栏离开本机。代号对应的原文和密钥都留下；没有标记的文字原样发送。",
    examples: "示例",
    live: "停顿时自动提问",
    ask: "询问模型",
    typed: "你输入的",
    saw: "模型看到的",
    answered: "模型回答的",
    back: "你收到的",
    here: "留在本机",
    away: "发送出去",
    returns: "传入本机",
    hint: "输入或粘贴一段含有私密信息的文字",
    keys: "用左右方向键在标记的内容之间移动。",
    copy: "复制",
    copied: "已复制",
    fates: "每类信息如何处理",
    none: "没有发现私密信息。",
    reset: "恢复策略设置",
    all: "全部类别",
    fewer: "只看已发现的",
    meaning: "五种处理方式",
    connect: "接入你的程序",
    connectWhy: "把客户端指向这个地址即可。模型、流式输出和工具调用照常使用，你自己的密钥会原样转交。",
    changed: "标出的几行就是全部改动。",
    fate: { token: "代号", plausible: "仿真", redact: "抹去", block: "阻止", keep: "保留" },
    done: { token: "代号", plausible: "仿真", redact: "已抹去", block: "已阻止", keep: "已保留" },
    means: {
      token: "换成不透明的代号，每次相同，回答中自动还原。",
      plausible: "换成保留号段中的仿真值，回答中自动还原。",
      redact: "彻底去除：模型看不到，回答里也不会有。",
      block: "文本中含有它时，什么都不发送。",
      keep: "原样发送。",
    },
    policy: "按策略",
    fateOf: (kind) => `${kind}的处理方式`,
    found: (n) => (n ? `发现 ${n} 处私密信息` : "没有发现私密信息"),
    characters: (n) => `${n.toLocaleString("zh")} 字`,
    masking: (ms) => `掩码用时 ${ms} 毫秒`,
    answering: (ms) => `回答用时 ${ms} 毫秒`,
    restored: (n) => `还原 ${n} 处`,
    gone: (n, kinds) => `${n} 处已抹去，不再还原：${kinds}`,
    join: "、",
    waiting: "等你停顿后提问。",
    press: (keys) => `按 ${keys} 询问模型。`,
    asking: "正在询问模型。",
    empty: "还没有可发送的内容。",
    emptyAnswer: "模型的回答是空的。",
    announce: (found, kinds, ms) => `${found}${kinds ? `：${kinds}` : ""}；掩码用时 ${ms} 毫秒。`,
    answerHere: "回答已返回。",
    problem: {
      blocked: (kinds) => ["什么都没有发送。", `策略禁止发送含有${kinds || "此类内容"}的文本。`],
      large: () => ["什么都没有发送。", "文本超过了网关允许的大小。"],
      lost: () => ["网关没有响应。", "它还在运行吗？"],
      refused: (said) => ["什么都没有发送。", said || "网关拒绝了这个请求。"],
      upstream: (said) => ["模型服务没有回答。", said || "请稍后再试。"],
      unfinished: () => ["没有回答。", "原因见旁边一栏。"],
    },
    again: "重试",
  },
};

export const EXAMPLES = [
  {
    name: "Support e-mail",
    lang: "en",
    start: true,
    text: `Hello, I was charged twice for order 48213.

My card is 4111 1111 1111 1111. Please call (212) 555-0147 or write to ada.lovelace@example.com, not to my old address ada@example.org.

I last signed in from 203.0.113.42. Thank you 🙏`,
  },
  {
    name: "Server log",
    lang: "en",
    text: `2026-03-02 09:14:07 WARN  login failed
  user=grace.hopper@example.com ip=198.51.100.23
  mac=00:00:5E:00:53:AF retry=3
2026-03-02 09:14:09 ERROR upload refused
  aws_access_key_id=AKIAIOSFODNN7EXAMPLE
  db=postgres://app:s3cret-Pa55@db.example.net:5432/shop

Why does the upload fail?`,
  },
  {
    name: "JSON",
    lang: "en",
    text: `{
  "customer": {
    "email": "alan.turing@example.com",
    "phone": "+1 212-555-0199",
    "ssn": "219-09-9999",
    "iban": "GB33BUKB20201555555555"
  },
  "host": "2001:db8::8a2e:370:7334",
  "note": "summarise this record"
}`,
  },
  {
    name: "客服来信",
    lang: "zh-Hans",
    start: true,
    text: `您好，我的订单 48213 被重复扣款了。

银行卡号4111111111111111，身份证11010519491231002X。请拨打13812345678，或发邮件到zhang.wei@example.com，不要再用旧邮箱zw@example.org。

上次登录的IP是203.0.113.42，谢谢🙏`,
  },
  { name: "服务器", lang: "zh-Hans", text: "服务器10.1.2.3在访问，卡号4111111111111111被拒" },
  { name: "手机邮箱", lang: "zh-Hans", text: "手机13812345678邮箱zhang.wei@example.com谢谢" },
];

/** The same small program three ways; `+` marks the lines that send it through this gateway. */
export function snippets(origin) {
  return {
    Python: [
      " from openai import OpenAI",
      " ",
      " client = OpenAI(",
      `+    base_url="${origin}/v1",`,
      '+    api_key="your own key",  # passed on; the built-in mirror takes any',
      " )",
      " answer = client.chat.completions.create(",
      '     model="mirror",',
      '     messages=[{"role": "user", "content": "Write to ada@example.com"}],',
      " )",
      " print(answer.choices[0].message.content)",
    ],
    curl: [
      `+curl ${origin}/v1/chat/completions \\`,
      '   -H "Authorization: Bearer your-own-key" \\',
      '   -H "Content-Type: application/json" \\',
      `   -d '{"model": "mirror",`,
      `        "messages": [{"role": "user", "content": "Write to ada@example.com"}]}'`,
    ],
    "Node.js": [
      ' import OpenAI from "openai";',
      " ",
      " const client = new OpenAI({",
      `+  baseURL: "${origin}/v1",`,
      '+  apiKey: "your own key", // passed on; the built-in mirror takes any',
      " });",
      " const answer = await client.chat.completions.create({",
      '   model: "mirror",',
      '   messages: [{ role: "user", content: "Write to ada@example.com" }],',
      " });",
      " console.log(answer.choices[0].message.content);",
    ],
  };
}
